/** One measured run: so many answers streamed at once through one server. */
export interface Run {
  id: string;
  streams: number;
  tokens: number;
  /** Time between two tokens of a stream; 0 for as fast as the server takes them. */
  paceMs: number;
  /** How many tokens the provider sends in one piece. */
  eventsPerChunk: number;
  /** Length to which every token is filled up; 0 leaves them as they are. */
  tokenLength: number;
  /** Whether the provider sends a whole answer as soon as it is asked, instead of waiting for the benchmark. */
  isSentAtOnce: boolean;
}

/** A run with the usual values for what is not given. */
export function runOf(given: Partial<Run>): Run {
  return {
    id: crypto.randomUUID(),
    streams: 1,
    tokens: 1,
    paceMs: 20,
    eventsPerChunk: 1,
    tokenLength: 0,
    isSentAtOnce: false,
    ...given,
  };
}

/** What a client asks for, as JSON in the place of a person's words: the provider reads it and answers accordingly. */
export interface Prompt extends Run {
  stream: number;
}

/** The tokens of one answer. Provider and client make them alike, so that a client knows what it should have received. */
export function tokensOf({ id, stream, tokens, tokenLength }: Prompt, model: string): string[] {
  const own = `${id}/${stream}/${model} `;
  return Array.from({ length: tokens }, (_, index) =>
    index === 0 ? own : wordAt(stream + index).padEnd(tokenLength, 'x'),
  );
}

function wordAt(index: number): string {
  return WORDS[index % WORDS.length] ?? '';
}

/** About as long as tokens are, with what JSON escapes and with one, two, three and four bytes a character. */
const WORDS = [
  ' the',
  ' answer',
  ',',
  ' which',
  ' is',
  ' "quoted"',
  '\n',
  ' naïve',
  ' 鍵',
  ' 🔑',
  ' and',
  ' long',
];

/** A request of OpenAI's chat protocol. */
export function chatRequest(prompt: string, model: string): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], stream: true });
}

/** Models of the provider. Most scenarios ask only the first. */
export const MODELS = ['relay', 'relay-2', 'relay-3', 'relay-4', 'relay-5', 'relay-6', 'relay-7', 'relay-8'];
export const MODEL = 'relay';
