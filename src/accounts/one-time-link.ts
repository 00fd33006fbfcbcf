import { createHash } from 'node:crypto';
import { and, eq, gt } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { verifications } from '../db/tables/user.ts';

/** What a link is for; also the path of its page. */
export type LinkPurpose = 'reset-password' | 'change-email';

/** Address of the page that uses the token. The token follows the #, which browsers send to no server. */
export function linkUrl(publicUrl: string, purpose: LinkPurpose, token: string): string {
  return `${publicUrl}/${purpose}#${token}`;
}

/** Stores a token that can be used once within an hour. Returns when it expires. */
export async function saveLink(
  { db }: { db: Pick<Database, 'insert'> },
  { purpose, token, userId }: { purpose: LinkPurpose; token: string; userId: string },
): Promise<Date> {
  const expiresAt = new Date(Date.now() + LINK_SECONDS * 1_000);
  const identifier = identifierOf(purpose, token);
  await db.insert(verifications).values({ id: newId('ver'), identifier, value: userId, expiresAt });
  return expiresAt;
}

/** Uses up a token and drops all other links of its user. False if the token was not valid. */
export async function takeLink(
  { db }: { db: Pick<Database, 'delete'> },
  purpose: LinkPurpose,
  token: string,
): Promise<boolean> {
  const isValid = and(
    eq(verifications.identifier, identifierOf(purpose, token)),
    gt(verifications.expiresAt, new Date()),
  );
  const [link] = await db.delete(verifications).where(isValid).returning({ userId: verifications.value });
  if (link === undefined) return false;
  await dropLinks({ db }, link.userId);
  return true;
}

/** Deletes all links of a user: another person may have requested them. */
export async function dropLinks({ db }: { db: Pick<Database, 'delete'> }, userId: string): Promise<void> {
  await db.delete(verifications).where(eq(verifications.value, userId));
}

/** A hash, so that tokens cannot be taken from a copy of the database. better-auth looks up a password reset by the same hash. */
function identifierOf(purpose: LinkPurpose, token: string): string {
  return createHash('sha256').update(`${purpose}:${token}`).digest('base64url');
}

/** How long a link is valid. */
export const LINK_SECONDS = 60 * 60;
