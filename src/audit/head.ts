import { prefixOf } from '../db/id.ts';

/** The end of a chain at some moment. Kept where an attacker cannot change it, it proves all entries up to then. */
export interface AuditHead {
  tenantId: string;
  /** How many entries there were. */
  length: number;
  /** The hash of the last one, in hexadecimal. */
  hash: string;
}

/** A head as text: `wsp_….12.9f…`. */
export function formatHead({ tenantId, length, hash }: AuditHead): string {
  return `${tenantId}.${length}.${hash}`;
}

/** The head in a text, null if the text is none. */
export function parseHead(text: string): AuditHead | null {
  const [, tenantId = '', length, hash = ''] = /^(\w+)\.([1-9]\d{0,8})\.([0-9a-f]{64})$/.exec(text) ?? [];
  return prefixOf(tenantId) === undefined ? null : { tenantId, length: Number(length), hash };
}
