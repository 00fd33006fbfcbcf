import { and, asc, eq, gt, inArray, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import { readInBatches } from '../db/read-in-batches.ts';
import { attachments, removedAttachments } from '../db/tables/attachment.ts';
import { failureName, log } from '../log.ts';
import type { FileDeps } from './file-deps.ts';
import { UPLOAD_FOR_MS } from './file-urls.ts';
import { readUploaded, takeReading } from './read-uploaded.ts';
import { namesOf, type Stored } from './store.ts';
import { uploadTimeMs } from './upload-limits.ts';

/**
 * Deletes files that no message refers to after a day, and sooner those that never arrived; removes the bytes of deleted ones;
 * takes up readings that a crash has ended.
 */
export async function sweepFiles(deps: FileDeps): Promise<void> {
  // Before the rest, which fails or takes long while the store is away.
  await takeUpReadings(deps);
  await deleteUnsent(deps);
  await clearRemoved(deps);
}

async function takeUpReadings(deps: FileDeps): Promise<void> {
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
  const forsaken = db
    .select({ id: attachments.id })
    .from(attachments)
    .where(
      and(
        sql`not ${attachments.isSent}`,
        or(lt(attachments.createdAt, ago(DAY_MS)), isNull(attachments.createdBy), neverArrives),
      ),
    )
    .orderBy(asc(attachments.id))
    .for('update');
  await db.delete(attachments).where(inArray(attachments.id, forsaken));
}

/**
 * Removes the bytes of deleted attachments, and a day later once more: an upload or a reading that was under way when the row was
 * deleted may have written after the first time. One that fails is left to the next sweep, and the others go on.
 */
async function clearRemoved(deps: FileDeps): Promise<void> {
  const untilMs = performance.now() + LONGEST_CLEARING_MS;
  for await (const each of readRemoved(deps)) {
    if (deps.filesClosing.aborted || performance.now() > untilMs) return;
    await clear(deps, each).catch((error: unknown) => {
      log.warn(
        { attachmentId: each.id, failure: failureName(error) },
        'the bytes of a deleted file could not be removed yet',
      );
    });
  }
}

/** Each once, whether clearing it fails or not. */
function readRemoved({ db }: FileDeps): AsyncGenerator<Stored> {
  return readInBatches<Stored, string>(
    ({ id }) => id,
    async (lastId, rows) =>
      await db
        .select({ id: removedAttachments.id, uploads: removedAttachments.uploads })
        .from(removedAttachments)
        .where(
          and(
            or(isNull(removedAttachments.clearedAt), isOver),
            lastId === undefined ? undefined : gt(removedAttachments.id, lastId),
          ),
        )
        .orderBy(asc(removedAttachments.id))
        .limit(rows),
  );
}

async function clear({ db, fileStore }: FileDeps, removed: Stored): Promise<void> {
  await fileStore.remove(namesOf(removed), AbortSignal.timeout(REMOVE_TIMEOUT_MS));
  const isSame = eq(removedAttachments.id, removed.id);
  await db.update(removedAttachments).set({ clearedAt: sql`now()` }).where(isSame);
  await db.delete(removedAttachments).where(and(isSame, isOver));
}

/** By the clock of the database, which wrote the times. */
function ago(ms: number): SQL {
  return sql`now() - ${ms} * interval '1 millisecond'`;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const REMOVE_TIMEOUT_MS = 30_000;
/** While a store does not answer, each removal takes its whole time, and readings wait for the next sweep. */
const LONGEST_CLEARING_MS = 2 * 60_000;
const READINGS_AT_ONCE = 10;
const isOver = lt(removedAttachments.removedAt, ago(DAY_MS));
