import { createHash } from 'node:crypto';
import { and, eq, gt } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { verifications } from '../db/tables/user.ts';

/** What the page that a link leads to does. */
export type LinkPurpose = 'reset-password' | 'change-email';

/** Address of the page on which the token does what it is for. Browsers send what follows the # to no server. */
export function linkUrl(publicUrl: string, purpose: LinkPurpose, token: string): string {
  return `${publicUrl}/${purpose}#${token}`;
}

/** Makes a token good, once and within an hour. Gives when it stops being good. */
export async function saveLink(
  { db }: { db: Pick<Database, 'insert'> },
  { purpose, token, userId }: { purpose: LinkPurpose; token: string; userId: string },
): Promise<Date> {
  const expiresAt = new Date(Date.now() + LINK_SECONDS * 1_000);
  const identifier = identifierOf(purpose, token);
  await db.insert(verifications).values({ id: newId('ver'), identifier, value: userId, expiresAt });
  return expiresAt;
}

/** Whether the token was good. It is not any more, nor is any other link of its person. */
export async function takeLink(
  { db }: { db: Pick<Database, 'delete'> },
  purpose: LinkPurpose,
  token: string,
): Promise<boolean> {
  const isGood = and(
    eq(verifications.identifier, identifierOf(purpose, token)),
    gt(verifications.expiresAt, new Date()),
  );
  const [taken] = await db.delete(verifications).where(isGood).returning({ userId: verifications.value });
  if (taken === undefined) return false;
  await dropLinks({ db }, taken.userId);
  return true;
}

/** Takes back all links of a person: whoever asked for them may have been somebody else. */
export async function dropLinks({ db }: { db: Pick<Database, 'delete'> }, userId: string): Promise<void> {
  await db.delete(verifications).where(eq(verifications.value, userId));
}

/** A hash, so that a copy of the database opens nothing: the one by which better-auth looks for a password reset. */
function identifierOf(purpose: LinkPurpose, token: string): string {
  return createHash('sha256').update(`${purpose}:${token}`).digest('base64url');
}

/** How long a link is good. */
export const LINK_SECONDS = 60 * 60;
