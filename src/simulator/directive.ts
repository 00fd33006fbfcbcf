import { MODEL_FAULTS, type ModelFault } from './faults.ts';

/** What a person asked the simulator itself to do, in a line `simulate: …` of the question. */
export interface Directive {
  /** Exact number of text tokens to write. */
  tokens: number | null;
  paceMs: number | null;
  /** Answer with the conversation as it arrived, as JSON. */
  isEcho: boolean;
  /** Answer with a line about each file of the conversation. */
  listsFiles: boolean;
  /** Answer with exactly this text. */
  say: string | null;
  fault: ModelFault | null;
  /** The question without the line. */
  question: string;
}

const MAX_TOKENS = 100_000; // a script is kept in memory while it plays

/**
 * Reads `simulate: tokens=400 pace=2`, `simulate: echo`, `simulate: files`, `simulate: say Good morning.` or `simulate: cut` (any fault of
 * a model); words can be combined, `say` takes the rest of its line. Only the last paragraph counts: a client may put questions
 * that were never answered before the new one.
 */
export function readDirective(text: string): Directive {
  const lastParagraph = text.slice(text.lastIndexOf('\n\n') + 1);
  const line = /^[ \t]*simulate:(.*)$/m.exec(lastParagraph);
  const words = line?.[1]?.trim() ?? '';
  const say = /(?:^|\s)say\s+(.*)$/.exec(words);
  const flags = say ? words.slice(0, say.index) : words;
  const tokens = numberAfter(flags, 'tokens');
  return {
    tokens: tokens === null ? null : Math.min(tokens, MAX_TOKENS),
    paceMs: numberAfter(flags, 'pace'),
    listsFiles: flags.split(/\s+/).includes('files'),
    isEcho: flags.split(/\s+/).includes('echo'),
    say: say?.[1] ?? null,
    fault: MODEL_FAULTS.find((fault) => flags.split(/\s+/).includes(fault)) ?? null,
    question: text.replace(line?.[0] ?? '', '').trim(),
  };
}

function numberAfter(words: string, name: string): number | null {
  const digits = new RegExp(`(?:^|\\s)${name}=(\\d{1,9})(?:\\s|$)`).exec(words)?.[1];
  return digits === undefined ? null : Number(digits);
}
