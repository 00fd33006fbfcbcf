import type { JsonObject } from './json.ts';

/**
 * The state of a model's reasoning that its provider hands out, encrypted or signed, and reads again with the next turn. Only
 * this provider and models of this family can read it. It is never shown and never logged.
 */
export interface KeptReasoning {
  provider: string;
  family: string;
  items: readonly KeptItem[];
}

/** One piece of that state in the provider's own form, and its place: UTF-16 code units of the answer's text before it. */
export interface KeptItem {
  offset: number;
  item: JsonObject;
}

interface TextWithState {
  text: string;
  kept?: KeptReasoning;
}

/** A text of a turn, or an item to send back between two of them. */
export type Piece = { type: 'text'; text: string } | { type: 'item'; item: JsonObject };

/**
 * The turn as the model is sent it: its text, cut where the model's own reasoning stood. Reasoning of other providers and
 * families is left out. A blank text goes with the one after it, since providers refuse blank texts.
 */
export function piecesOf({ text, kept }: TextWithState, provider: string, model: string): Piece[] {
  const isOwn = kept?.provider === provider && kept.family === modelFamily(model);
  const pieces: Piece[] = [];
  let start = 0;
  for (const { offset, item } of isOwn ? kept.items : []) {
    const before = text.slice(start, offset);
    if (/\S/.test(before)) {
      pieces.push({ type: 'text', text: before });
      start = offset;
    }
    pieces.push({ type: 'item', item });
  }
  const rest = text.slice(start);
  return /\S/.test(rest) ? [...pieces, { type: 'text', text: rest }] : pieces;
}

/** The name of a model without its date or alias, e.g. `claude-opus-5-5` of `claude-opus-5-5-20260901`. */
export function modelFamily(model: string): string {
  return model.replace(/-(20\d\d-?\d\d-?\d\d|latest|preview(-\d\d-(\d\d|20\d\d))?)$/, '');
}

/** The turns without any kept reasoning. */
export function withoutKept<Turn extends TextWithState>(turns: readonly Turn[]): Omit<Turn, 'kept'>[] {
  return turns.map(({ kept: _, ...turn }) => turn);
}

/** The kept reasoning in the text of a row; null if it holds none. */
export function parseKept(text: string | null): KeptReasoning | null {
  if (text === null) return null;
  try {
    return JSON.parse(text) as KeptReasoning;
  } catch {
    return null;
  }
}
