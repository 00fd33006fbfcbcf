import { randomBytes } from 'node:crypto';

/** Prefix of an id. The same string is the id in tables, API and log. */
export type IdPrefix = TablePrefix | DerivedPrefix;

/** Prefixes of rows, one for each kind. */
export type TablePrefix =
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
  | 'att'
  | 'run';

/** Prefixes of ids that no table holds: each is made of the ids or numbers by which the thing is found. */
type DerivedPrefix = 'vwr' | 'mem' | 'aud';

/**
 * Makes an id such as `thr_01jd3k6v9q8f2m4x7c5b0n1h3z`: the prefix, then 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32. Ids made by one process sort in the order they were made, also within a millisecond.
 */
export function newId(prefix: TablePrefix): string {
  const fresh = (BigInt(Date.now()) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  last = fresh >> 80n > last >> 80n ? fresh : last + 1n;
  let text = '';
  for (let rest = last; text.length < DIGITS; rest >>= 5n) text = ALPHABET.charAt(Number(rest & 31n)) + text;
  return `${prefix}_${text}`;
}

let last = 0n;

/** The prefix of an id, or undefined if the text is no id of ours. */
export function prefixOf(id: string): IdPrefix | undefined {
  return IDS.some((form) => form.test(id)) ? (id.slice(0, 3) as IdPrefix) : undefined;
}

/**
 * The given ids that have this prefix. Other texts name no row and must not reach the database, which fails on a NUL
 * character.
 */
export function idsOf(prefix: IdPrefix, ids: readonly string[]): string[] {
  return ids.filter((id) => prefixOf(id) === prefix);
}

/** The id of the viewer that a user is to themselves. Caches keep it apart from that of the user. */
export function viewerIdOf(userId: string): string {
  return `vwr_${digitsOf(userId)}`;
}

/** The id of a user's membership in a workspace or team: always the same one for the two. */
export function memberIdOf(tenantId: string, userId: string): string {
  return `mem_${tenantDigits(tenantId)}${digitsOf(userId)}`;
}

/** What `memberIdOf` was given; undefined if the text is no such id. */
export function readMemberId(id: string): { tenantId: string; userId: string } | undefined {
  const [, tenant, user] = MEMBER_ID.exec(id) ?? [];
  return tenant === undefined ? undefined : { tenantId: tenantOf(tenant), userId: `usr_${user}` };
}

/** The id of the entry at a position of the audit log of a workspace or team. */
export function auditEntryIdOf(tenantId: string, position: number): string {
  return `aud_${tenantDigits(tenantId)}${position.toString().padStart(POSITION_DIGITS, '0')}`;
}

/** What `auditEntryIdOf` was given; undefined if the text is no such id. */
export function readAuditEntryId(id: string): { tenantId: string; position: number } | undefined {
  const [, tenant, position] = AUDIT_ENTRY_ID.exec(id) ?? [];
  return tenant === undefined ? undefined : { tenantId: tenantOf(tenant), position: Number(position) };
}

function digitsOf(id: string): string {
  return id.slice(-DIGITS);
}

/** A letter for the kind of the tenant, then its digits. */
function tenantDigits(tenantId: string): string {
  return `${tenantId.charAt(0)}${digitsOf(tenantId)}`;
}

function tenantOf(text: string): string {
  return `${text.startsWith('t') ? 'tem' : 'wsp'}_${digitsOf(text)}`;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const DIGITS = 26;
const POSITION_DIGITS = 9; // more than a log will ever have
const RANDOM_ID = /^(usr|ses|acc|ver|wsp|tem|inv|key|mdl|thr|msg|att|run|vwr)_[0-9a-hjkmnp-tv-z]{26}$/;
const MEMBER_ID = /^mem_([tw][0-9a-hjkmnp-tv-z]{26})([0-9a-hjkmnp-tv-z]{26})$/;
const AUDIT_ENTRY_ID = /^aud_([tw][0-9a-hjkmnp-tv-z]{26})(\d{9})$/;
const IDS = [RANDOM_ID, MEMBER_ID, AUDIT_ENTRY_ID];
