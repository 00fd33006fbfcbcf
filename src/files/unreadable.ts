import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { attachments } from '../db/tables/attachment.ts';
import { SealError } from '../vault/seal.ts';
import type { Attachment } from './attachment.ts';
import { MissingFileError } from './store.ts';

/**
 * Whether a file is missing or damaged, and not only out of reach for the moment. Without its root key it is out of reach: with the
 * right one it opens again.
 */
export function isLost(error: unknown): boolean {
  if (error instanceof SealError) return error.type !== 'unknown-root';
  return error instanceof MissingFileError;
}

/** Remembers that a provider has refused a request with the bytes of these files. From then on it is not sent them. */
export async function markRefused(
  { db }: { db: Database },
  provider: string,
  ids: readonly string[],
): Promise<void> {
  // Locked in the order of all locks: a send may be about to refer to several of them.
  const refused = db
    .select({ id: attachments.id })
    .from(attachments)
    .where(isOneOf(attachments.id, idsOf('att', ids)))
    .orderBy(asc(attachments.id))
    .for('no key update');
  await db
    .update(attachments)
    .set({ refusedBy: sql`array_append(${attachments.refusedBy}, ${provider}::text)` })
    .where(
      and(inArray(attachments.id, refused), sql`not ${provider}::text = any (${attachments.refusedBy})`),
    );
}

/** Remembers that the bytes of a file are missing or damaged. */
export async function markUnreadable({ db }: { db: Database }, id: string): Promise<void> {
  await db.update(attachments).set({ unreadableAt: sql`now()` }).where(eq(attachments.id, id));
}

/**
 * Whether a file was lately found missing or damaged. Later it is tried again: an operator may have put back what was missing, such
 * as a folder that was not mounted.
 */
export function isUnreadable({ unreadableAt }: Pick<Attachment, 'unreadableAt'>): boolean {
  return unreadableAt !== null && Date.now() - unreadableAt.getTime() < TRIED_AGAIN_AFTER_MS;
}

const TRIED_AGAIN_AFTER_MS = 60 * 60 * 1_000;
