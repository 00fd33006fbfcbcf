import { randomBytes } from 'node:crypto';

/** Prefix of an id, one for each kind of row. The same string is the id in tables, API and log. */
export type IdPrefix =
  | 'usr'
  | 'ses'
  | 'acc'
  | 'ver'
  | 'wsp'
  | 'tem'
  | 'inv'
  | 'key'
  | 'mdl'
  | 'thr'
  | 'msg'
  | 'run';

/**
 * Makes an id such as `thr_01jd3k6v9q8f2m4x7c5b0n1h3z`: the prefix, then 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32. Ids made by one process sort in the order they were made, also within a millisecond.
 */
export function newId(prefix: IdPrefix): string {
  const fresh = (BigInt(Date.now()) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  last = fresh >> 80n > last >> 80n ? fresh : last + 1n;
  let text = '';
  for (let rest = last; text.length < DIGITS; rest >>= 5n) text = ALPHABET.charAt(Number(rest & 31n)) + text;
  return `${prefix}_${text}`;
}

let last = 0n;

/** The prefix of an id, or undefined if the text is no id of ours. */
export function prefixOf(id: string): IdPrefix | undefined {
  return ID.exec(id)?.[1] as IdPrefix | undefined;
}

/**
 * The given ids that have this prefix. Other texts name no row and must not reach the database, which fails on a NUL
 * character.
 */
export function idsOf(prefix: IdPrefix, ids: readonly string[]): string[] {
  return ids.filter((id) => prefixOf(id) === prefix);
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const DIGITS = 26;
const ID = /^(usr|ses|acc|ver|wsp|tem|inv|key|mdl|thr|msg|run)_[0-9a-hjkmnp-tv-z]{26}$/;
