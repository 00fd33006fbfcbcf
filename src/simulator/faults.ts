/**
 * What a key can be made to do: a key that contains one of these words behaves so, at every provider.
 * - `wrong`, `expired`, `echo`: refused; with `echo` the provider's message repeats the whole key.
 * - `forbidden`: refused with status 403 everywhere. `restricted`: only the list is refused so.
 * - `disabled`: the check reports a key that was switched off (xAI), every other call is forbidden.
 * - `quota`: out of credit. The key checks and lists; asking fails, as it does at the providers themselves.
 * - `limited`: status 429 everywhere. `down`: status 503 everywhere. `hang`: no call is ever answered.
 * - `nolist`: the list fails with status 500. `empty`: the list is empty.
 */
export const KEY_FAULTS = [
  'wrong',
  'expired',
  'echo',
  'forbidden',
  'restricted',
  'disabled',
  'quota',
  'limited',
  'down',
  'hang',
  'nolist',
  'empty',
] as const;

export type KeyFault = (typeof KEY_FAULTS)[number];

/**
 * What a model can be made to do: the name of a fault model is the provider's prefix and one of these words.
 * They answer whenever they are asked, and are listed for a key that contains `faults`.
 * - `cut` destroys the socket half-way; `eof` closes cleanly without the terminal event; `stall` falls silent.
 * - `error`, `error-first`: an error event inside the stream, half-way or before anything else.
 * - `garbage`: events that are no JSON, and bytes that are no text, between the halves of a proper answer.
 * - `split`: every few bytes are a chunk of their own, with CRLF. `crlf`: CRLF only. `burst`: many events per chunk.
 * - `huge`: one event of 2 MiB. `flood`: text without end. `slow`: a token every 300 ms.
 * - `empty`: a proper end, no text. `length`, `filter`: ends for that reason. `blocked`: the prompt is refused.
 * - `reasoning`: two blocks of reasoning first. `citations`: sources. `surrogates`, `nul`: difficult text.
 * - `html`: status 200 and a web page. `limited`: status 429 for the first two tries of a conversation.
 * - `limited-always`, `overloaded`, `unknown`, `disabled`, `long`: refused, each for its reason.
 * - `held`: waits before each token and before its end until it is released.
 */
export const MODEL_FAULTS = [
  'cut',
  'eof',
  'stall',
  'error',
  'error-first',
  'garbage',
  'split',
  'crlf',
  'burst',
  'huge',
  'flood',
  'slow',
  'empty',
  'length',
  'filter',
  'blocked',
  'reasoning',
  'citations',
  'surrogates',
  'nul',
  'html',
  'limited',
  'limited-always',
  'overloaded',
  'unknown',
  'disabled',
  'long',
  'held',
] as const;

export type ModelFault = (typeof MODEL_FAULTS)[number];

/** The fault a key asks for by its name, or null. */
export function keyFault(secret: string): KeyFault | null {
  return KEY_FAULTS.find((fault) => secret.includes(fault)) ?? null;
}

/** True when a key's list also names the fault models. */
export function listsFaultModels(secret: string): boolean {
  return secret.includes('faults');
}

/** The fault a model asks for by its name, or null. */
export function modelFault(model: string): ModelFault | null {
  const word = /(?:^|[-/])sim-([a-z-]+)$/.exec(model)?.[1];
  return MODEL_FAULTS.find((fault) => fault === word) ?? null;
}
