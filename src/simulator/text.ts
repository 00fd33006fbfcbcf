/** A pleasant answer to a question, the same every time. It says that it is simulated, and by which model. */
export function composeAnswer(question: string, model: string, files: readonly string[] = []): string {
  const quoted = quote(question);
  const listed = files.map((file) => `- ${file}\n`).join('');
  const seen = listed === '' ? '' : `You sent with it:\n\n${listed}\n`;
  const opening = `Good question. You asked: ${quoted}\n\n${seen}This is a simulated answer by **${model}**, so no account was used and nothing left this machine.`;
  return asksForCode(question) ? `${opening}\n\n${CODE}` : `${opening}\n\n${PROSE}`;
}

/** What a reasoning model thinks before it answers, in two blocks. */
export function composeReasoning(question: string): string[] {
  return [
    `The person asks ${quote(question)} A short and friendly reply is enough.`,
    'I should say that this answer is simulated, and keep to plain words.',
  ];
}

/** Text of exactly so many tokens. */
export function composeTokens(count: number): string[] {
  const cycle = splitTokens(`${PROSE} `.replaceAll('\n', ' '));
  return Array.from({ length: count }, (_, index) => cycle[index % cycle.length] ?? '');
}

/** Cuts text into pieces of about the size of a token; joined they are the text again. */
export function splitTokens(text: string): string[] {
  return text.match(/\s*\S{1,7}|\s+$/gu) ?? [];
}

/** Text that breaks a reader who decodes chunks one by one. */
export const DIFFICULT_TEXT =
  'Größe, naïve façade, Ελληνικά, 日本語のテキスト, עברית and 👩‍👩‍👧‍👦 🚀 survive every way of cutting them. ';

/** Tokens that cut emoji in two, as tokenizers of bytes do: each half is no character by itself. */
export const SURROGATE_TOKENS = ['Smile', ' \ud83d', '\ude00', ' and fly', ' \ud83d', '\ude80 away', '.'];

/** Tokens with a NUL inside, which databases refuse to store as text. */
export const NUL_TOKENS = ['before', '\u0000', ' and', ' be\u0000tween', ' and after', '.\u0000'];

const PROSE = `Here is how I would think about it:

1. **Start small.** Take the simplest version that is still useful, and try it with one person.
2. **Look at what happens.** A single honest observation is worth more than a long discussion.
3. **Then decide.** Keep what helped, drop what did not, and write down why.

If you tell me a little more about what you have in mind, I can go into the details.`;

const CODE = `A small function is a good place to start:

\`\`\`ts
/** Groups items by the name that \`nameOf\` gives each of them. */
function groupBy<T>(items: Iterable<T>, nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = nameOf(item);
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return groups;
}
\`\`\`

It walks the items once and keeps their order. Tell me how you mean to use it and I can adapt it.`;

const QUOTE_LENGTH = 160;

function quote(question: string): string {
  const line = question.replace(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length > QUOTE_LENGTH ? `“${characters.slice(0, QUOTE_LENGTH).join('')}…”` : `“${line}”`;
}

function asksForCode(question: string): boolean {
  return /\b(code|coding|function|typescript|javascript|python|rust|sql|regexp?|script|implement|algorithm|class|bug)\b/i.test(
    question,
  );
}
