import { and, eq, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import { attachments } from '../db/tables/attachment.ts';
import { failureName, log } from '../log.ts';
import { type Attachment, announceAttachment, attachmentColumns } from './attachment.ts';
import type { FileDeps } from './file-deps.ts';
import { openFileKey, type SealedFileKey, sealedFileKeyColumns } from './file-key.ts';
import { estimateTokens } from './reading/estimate-tokens.ts';
import { type ReadResult, readFile } from './reading/read-file.ts';
import { namesOf, type Stored } from './store.ts';
import { openPart, storePart } from './stored-part.ts';
import { isLost } from './unreadable.ts';

/** A turn of a server to read the content of a file. A later one takes over from one that was given up. */
export interface Reading {
  attachmentId: string;
  /** Which of the file's readings this is, from 1. */
  number: number;
}

/**
 * Reads the content of an uploaded file, keeps its text and picture beside it and makes the attachment READY, or REFUSED without
 * its bytes. Never throws: what fails is taken up again by the sweep.
 */
export async function readUploaded(deps: FileDeps, reading: Reading): Promise<void> {
  const { attachmentId } = reading;
  try {
    const [row] = await deps.db
      .select({
        attachment: { ...attachmentColumns, uploads: attachments.uploads },
        sealed: sealedFileKeyColumns,
      })
      .from(attachments)
      .where(isAt(reading));
    if (row === undefined) return;
    const { attachment } = row;
    const result =
      reading.number > MAX_READINGS
        ? UNREADABLE
        : await readAndKeep(deps, attachment, row.sealed as SealedFileKey);
    if (!(await save(deps, reading, result))) return await dropIfGone(deps, attachment);
    announceAttachment(deps.changes, attachment);
    if (result.type === 'refused')
      await deps.fileStore.remove(namesOf(attachment), AbortSignal.timeout(TIMEOUT_MS));
  } catch (error) {
    if (!deps.filesClosing.aborted)
      log.error({ attachmentId, failure: failureName(error) }, 'a file could not be read');
    await giveUp(deps, reading);
  }
}

/** Takes a reading that no server is at, to be carried out here; null if there is none. */
export async function takeReading({ db }: Pick<FileDeps, 'db'>): Promise<Reading | null> {
  const waiting = db
    .select({ id: attachments.id })
    .from(attachments)
    .where(isForsaken)
    .limit(1)
    .for('update', { skipLocked: true });
  const [taken] = await db
    .update(attachments)
    .set({ readings: sql`${attachments.readings} + 1`, readingSince: sql`now()` })
    .where(and(eq(attachments.id, sql`(${waiting})`), isForsaken))
    .returning({ attachmentId: attachments.id, number: attachments.readings });
  return taken ?? null;
}

/** Gives up every reading. For a server that starts alone: whichever server began them has crashed. */
export async function giveUpReadings({ db }: Pick<FileDeps, 'db'>): Promise<void> {
  await db.update(attachments).set({ readingSince: null }).where(eq(attachments.status, 'READING'));
}

async function readAndKeep(
  deps: FileDeps,
  attachment: Attachment & Stored,
  sealed: SealedFileKey,
): Promise<ReadResult> {
  const { fileStore, rootKeys, filesClosing } = deps;
  const { id, fileName, sizeBytes, createdBy } = attachment;
  const signal = AbortSignal.any([filesClosing, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    const key = openFileKey(rootKeys, sealed);
    const file = await openPart(fileStore, attachment, 'file', { key, signal });
    const source = { bytes: file.read(), sizeBytes, fileName, userId: createdBy ?? id };
    const result = await readFile(deps, source, signal);
    if (result.type === 'refused') return result;
    const { text, picture } = result;
    if (text !== null)
      await storePart(fileStore, attachment, 'text', { key, bytes: inOne(Buffer.from(text)), signal });
    if (picture !== null)
      await storePart(fileStore, attachment, 'picture', { key, bytes: inOne(picture), signal });
    return result;
  } catch (error) {
    if (!isLost(error)) throw error;
    log.error({ attachmentId: id, failure: failureName(error) }, 'a stored file did not open');
    return DAMAGED;
  }
}

/** False if the attachment is gone, or a later reading has taken over. */
async function save({ db }: FileDeps, reading: Reading, result: ReadResult): Promise<boolean> {
  const updated = await db
    .update(attachments)
    .set(result.type === 'ready' ? readyColumns(result) : refusedColumns(result))
    .where(isAt(reading))
    .returning({ id: attachments.id });
  return updated.length > 0;
}

/**
 * Removes what was written for an attachment that was deleted meanwhile, whose bytes the sweep may have removed before. A later
 * reading that has taken over writes under the same names: then they stay.
 */
async function dropIfGone({ db, fileStore }: FileDeps, attachment: Stored): Promise<void> {
  const found = await db
    .select({ id: attachments.id })
    .from(attachments)
    .where(eq(attachments.id, attachment.id));
  if (found.length > 0) return;
  await fileStore.remove(namesOf(attachment), AbortSignal.timeout(TIMEOUT_MS));
}

function readyColumns({ type: _type, text, picture, ...facts }: Extract<ReadResult, { type: 'ready' }>) {
  const ofText = text !== null && {
    textLength: text.length,
    textBytes: Buffer.byteLength(text),
    textTokens: estimateTokens(text),
  };
  const pictureBytes = picture?.length ?? null;
  return { status: 'READY' as const, readingSince: null, ...facts, ...ofText, pictureBytes };
}

/** Without its key, whatever is left of its bytes opens no more. */
function refusedColumns({ code, reason }: Extract<ReadResult, { type: 'refused' }>) {
  const noKey = { rootId: null, generation: null, version: null, ciphertext: null, tag: null };
  return {
    status: 'REFUSED' as const,
    readingSince: null,
    ...noKey,
    refusalCode: code,
    refusal: reason,
  };
}

/**
 * Leaves the file to the next sweep, on whichever server. The reading does not count: a full queue, a store that is away or a
 * shutdown says nothing about the file. Those that count are the ones that ended their server.
 */
async function giveUp({ db }: FileDeps, reading: Reading): Promise<void> {
  await db
    .update(attachments)
    .set({ readingSince: null, readings: reading.number - 1 })
    .where(isAt(reading))
    .catch((error: unknown) =>
      log.warn({ failure: failureName(error) }, 'a reading could not be given up at once'),
    );
}

function isAt({ attachmentId, number }: Reading): SQL | undefined {
  return and(
    eq(attachments.id, attachmentId),
    eq(attachments.status, 'READING'),
    eq(attachments.readings, number),
  );
}

async function* inOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const isForsaken = and(
  eq(attachments.status, 'READING'),
  or(
    isNull(attachments.readingSince),
    lt(attachments.readingSince, sql`now() - interval '10 minutes'`), // longer than TIMEOUT_MS
  ),
);

const DAMAGED: ReadResult = {
  type: 'refused',
  code: 'DAMAGED',
  reason: 'What was kept of this file is damaged. Upload it again.',
};
const UNREADABLE: ReadResult = {
  type: 'refused',
  code: 'TOO_COMPLEX',
  reason: 'This file could not be read within the time and memory there are for it. Upload a simpler one.',
};

/** A file that ended a server each time would go on ending it. */
const MAX_READINGS = 3;
/** For reading and keeping what was found, and the wait for the readings before it. */
const TIMEOUT_MS = 5 * 60 * 1_000;
