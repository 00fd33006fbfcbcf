/** One measured run: so many answers streamed at once through one server. */
export interface Run {
  id: string;
  streams: number;
  tokens: number;
  /** Time between two tokens of a stream; 0 for as fast as the server takes them. */
  paceMs: number;
  /** How many tokens the provider sends in one piece. */
  eventsPerChunk: number;
}

/** What a client asks for, as JSON in the place of a person's words: the provider reads it and answers accordingly. */
export interface Prompt extends Run {
  stream: number;
}

/** The tokens of one stream. Provider and client make them alike, so that a client can tell what it should have got. */
export function tokensOf({ id, stream, tokens }: Prompt): string[] {
  const own = `${id}/${stream} `;
  return Array.from({ length: tokens }, (_, index) => (index === 0 ? own : wordAt(stream + index)));
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
export function chatRequest(prompt: string): string {
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: prompt }], stream: true });
}

export const MODEL = 'relay';
