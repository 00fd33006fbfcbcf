import { and, eq, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import { attachments, removedAttachments } from '../db/tables/attachment.ts';
import type { FileDeps } from './file-deps.ts';
import { UPLOAD_FOR_MS } from './file-urls.ts';
import { readUploaded, takeReading } from './read-uploaded.ts';
import { namesOf } from './store.ts';
import { uploadTimeMs } from './upload-limits.ts';

/**
 * Deletes files that no message refers to after a day, and sooner those that never arrived; removes the bytes of deleted ones;
 * takes up readings that a crash has ended.
 */
export async function sweepFiles(deps: FileDeps): Promise<void> {
  await deleteUnsent(deps);
  await clearRemoved(deps);
  for (let begun = 0; begun < READINGS_AT_ONCE; begun++) {
    const reading = await takeReading(deps);
    if (reading === null) return;
    deps.track(readUploaded(deps, reading));
  }
}

/** A send that refers to one of them meanwhile is waited for, and keeps it. */
async function deleteUnsent({ db, fileNumbers }: FileDeps): Promise<void> {
  const neverArrives = and(
    eq(attachments.status, 'WAITING'),
    lt(attachments.createdAt, ago(UPLOAD_FOR_MS + uploadTimeMs(fileNumbers.maxFileBytes))),
  );
  await db
    .delete(attachments)
    .where(
      and(
        sql`not ${attachments.isSent}`,
        or(lt(attachments.createdAt, ago(DAY_MS)), isNull(attachments.createdBy), neverArrives),
      ),
    );
}

/**
 * Removes the bytes of deleted attachments, and a day later once more: an upload or a reading that was under way when the row was
 * deleted may have written after the first time.
 */
async function clearRemoved({ db, fileStore }: FileDeps): Promise<void> {
  const isOver = lt(removedAttachments.removedAt, ago(DAY_MS));
  for (;;) {
    const removed = await db
      .select({ id: removedAttachments.id, uploads: removedAttachments.uploads })
      .from(removedAttachments)
      .where(or(isNull(removedAttachments.clearedAt), isOver))
      .limit(REMOVED_AT_ONCE);
    for (const each of removed) {
      await fileStore.remove(namesOf(each), AbortSignal.timeout(REMOVE_TIMEOUT_MS));
      const isSame = eq(removedAttachments.id, each.id);
      await db.update(removedAttachments).set({ clearedAt: sql`now()` }).where(isSame);
      await db.delete(removedAttachments).where(and(isSame, isOver));
    }
    if (removed.length < REMOVED_AT_ONCE) return;
  }
}

/** By the clock of the database, which wrote the times. */
function ago(ms: number): SQL {
  return sql`now() - ${ms} * interval '1 millisecond'`;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const REMOVE_TIMEOUT_MS = 30_000;
const REMOVED_AT_ONCE = 100;
const READINGS_AT_ONCE = 10;
