import { and, eq, lt } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { usedBoxes } from '../db/tables/api-key.ts';
import { InvalidInputError } from '../errors.ts';

/**
 * Records that the secret of a box is stored, in the transaction that stores it. A box is used up by that and by nothing
 * else: a provider that refuses or does not answer, or a transaction that fails, leaves it good for another try until its
 * time is past, which bounds what somebody who captured it could do. Of two requests with one box, only one commits.
 * Throws InvalidInputError if the box was used before.
 */
export async function useBox(
  tx: Pick<Database, 'insert'>,
  ownerId: string,
  box: TimedBox | null,
): Promise<void> {
  if (box === null) return;
  const recorded = await tx
    .insert(usedBoxes)
    .values({ ownerId, ...box })
    .onConflictDoNothing()
    .returning({ boxId: usedBoxes.boxId });
  if (recorded.length === 0) throw usedBefore();
}

/**
 * Refuses a used box before its provider is asked, so that a captured one does not go on telling whether a key works.
 * Throws InvalidInputError.
 */
export async function requireUnusedBox(
  db: Pick<Database, 'select' | 'delete'>,
  ownerId: string,
  box: TimedBox | null,
): Promise<void> {
  if (box === null) return;
  await db.delete(usedBoxes).where(lt(usedBoxes.validUntil, new Date(Date.now() - KEPT_LONGER_MS)));
  const used = await db
    .select({ boxId: usedBoxes.boxId })
    .from(usedBoxes)
    .where(and(eq(usedBoxes.ownerId, ownerId), eq(usedBoxes.boxId, box.boxId)));
  if (used.length > 0) throw usedBefore();
}

/** What makes a sealed submission good once and not for ever. */
export interface TimedBox {
  boxId: string;
  validUntil: Date;
}

function usedBefore(): InvalidInputError {
  const message =
    'This sealed box was used before, so its key was saved. To send the secret again, seal it again.';
  return new InvalidInputError([{ path: 'sealed', message }]);
}

/** A clock that is set back must not find a box valid again whose row is gone. */
const KEPT_LONGER_MS = 60 * 60 * 1_000;
