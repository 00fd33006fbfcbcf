import { createHash, randomBytes } from 'node:crypto';

/** A token that nobody can guess, and what is stored of it: a dump of the database opens no invitation. */
export function newInvitationToken(): { token: string; tokenHash: Uint8Array } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, tokenHash: hashInvitationToken(token) };
}

/** SHA-256 without salt or cost: what is random to its last bit cannot be found by trying. */
export function hashInvitationToken(token: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(token).digest());
}

const TOKEN_BYTES = 32;
