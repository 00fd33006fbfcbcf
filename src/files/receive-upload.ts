import { createHash, type Hash } from 'node:crypto';
import { and, eq, inArray, isNull, lt, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { attachments } from '../db/tables/attachment.ts';
import { users } from '../db/tables/user.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { failureName, log } from '../log.ts';
import type { FileKey } from '../vault/file-box.ts';
import { rolesThatMay } from '../workspaces/permissions.ts';
import { type Attachment, announceAttachment, attachmentColumns } from './attachment.ts';
import type { FileDeps } from './file-deps.ts';
import { newFileKey, sealFileKey } from './file-key.ts';
import type { UploadTarget } from './file-urls.ts';
import { readUploaded } from './read-uploaded.ts';
import { nameOf, namesOf, type Stored } from './store.ts';
import { storePart } from './stored-part.ts';

/** Bytes on their way to the server. */
export interface IncomingBytes {
  /** Lets the sender begin. Called once the upload is sure to be wanted. */
  read(): AsyncIterable<Uint8Array>;
  /** Aborted when the upload takes too long, or the sender is gone. */
  signal: AbortSignal;
}

/** How an upload ended, or why it did not begin. */
export type UploadResult =
  | { type: 'kept'; sha256: Uint8Array }
  /** There is no such attachment, or its uploader may not write in the workspace any more. */
  | { type: 'gone' }
  /** Its bytes are there already. */
  | { type: 'already-there' }
  /** A later upload of them has begun, so these are not kept. */
  | { type: 'overtaken' }
  | { type: 'too-often' }
  | { type: 'full'; of: 'person' | 'server'; most: number }
  | { type: 'wrong-size'; isTooLong: boolean };

/**
 * Receives the bytes of an attachment: seals them as they come, keeps them, then gives them to the row, all or nothing. Its
 * content is read afterwards. An upload that is cut leaves the attachment waiting for another one.
 */
export async function receiveUpload(
  deps: FileDeps,
  target: UploadTarget,
  incoming: IncomingBytes,
): Promise<UploadResult> {
  const found = await findUpload(deps, target);
  if (found === null) return { type: 'gone' };
  if (found.attachment.status !== 'WAITING') return { type: 'already-there' };
  const place = await deps.uploadLimits.begin(found.userId);
  if (place.type === 'full') return place;
  try {
    const stored = await claim(deps.db, target);
    if (stored === null) return { type: 'too-often' };
    return await receive(deps, { ...found.attachment, ...stored }, incoming);
  } finally {
    await place.end();
  }
}

async function receive(
  deps: FileDeps,
  attachment: Attachment & Stored,
  incoming: IncomingBytes,
): Promise<UploadResult> {
  const key = newFileKey(attachment.id);
  try {
    const sha256 = await storeBytes(deps, attachment, key, incoming);
    if (!(await giveToRow(deps, attachment, key, sha256))) return await whyNotGiven(deps, attachment);
    announceAttachment(deps.changes, attachment);
    deps.track(dropEarlier(deps, attachment));
    deps.track(readUploaded(deps, { attachmentId: attachment.id, number: 1 }));
    return { type: 'kept', sha256 };
  } catch (error) {
    if (error instanceof WrongSizeError) return { type: 'wrong-size', isTooLong: error.isTooLong };
    throw error;
  } finally {
    key.secret.fill(0);
  }
}

/** Keeps the bytes and returns their SHA-256. Throws WrongSizeError. */
async function storeBytes(
  { fileStore }: FileDeps,
  attachment: Attachment & Stored,
  key: FileKey,
  { read, signal }: IncomingBytes,
): Promise<Uint8Array> {
  const hash = createHash('sha256');
  const bytes = counted(read(), attachment.sizeBytes, hash);
  await storePart(fileStore, attachment, 'file', { key, bytes, signal });
  return hash.digest();
}

/** The attachment of an upload, if its uploader may still write in the workspace and sign in. */
async function findUpload(
  { db }: Pick<FileDeps, 'db'>,
  { id }: Pick<UploadTarget, 'id'>,
): Promise<{ attachment: Attachment; userId: string } | null> {
  const [found] = await db
    .select({ attachment: attachmentColumns, userId: users.id })
    .from(attachments)
    .innerJoin(users, eq(users.id, attachments.createdBy))
    .innerJoin(
      workspaceMembers,
      and(eq(workspaceMembers.workspaceId, attachments.workspaceId), eq(workspaceMembers.userId, users.id)),
    )
    .where(
      and(
        inArray(attachments.id, idsOf('att', [id])),
        isNull(users.disabledAt),
        inArray(workspaceMembers.role, rolesThatMay('chat')),
      ),
    );
  return found ?? null;
}

/** Counts the upload, which gives it a name of its own in the store. Null if there were too many. */
async function claim(db: Database, { id }: UploadTarget): Promise<Stored | null> {
  const [row] = await db
    .update(attachments)
    .set({ uploads: sql`${attachments.uploads} + 1` })
    .where(
      and(eq(attachments.id, id), eq(attachments.status, 'WAITING'), lt(attachments.uploads, MAX_UPLOADS)),
    )
    .returning({ id: attachments.id, uploads: attachments.uploads });
  return row ?? null;
}

/**
 * Gives the bytes to the row, and removes them if that fails. False if the row is gone, a later upload has overtaken this one, or
 * the uploader lost the right to write meanwhile.
 */
async function giveToRow(
  deps: FileDeps,
  attachment: Attachment & Stored,
  key: FileKey,
  sha256: Uint8Array,
): Promise<boolean> {
  let isGiven = false;
  try {
    if ((await findUpload(deps, attachment)) === null) return false;
    const sealed = await sealFileKey(deps, attachment, key, sha256);
    const updated = await deps.db
      .update(attachments)
      .set({ ...sealed, status: 'READING', readings: 1, readingSince: sql`now()` })
      .where(
        and(
          eq(attachments.id, attachment.id),
          eq(attachments.status, 'WAITING'),
          eq(attachments.uploads, attachment.uploads),
        ),
      )
      .returning({ id: attachments.id });
    isGiven = updated.length > 0;
    return isGiven;
  } finally {
    if (!isGiven) await drop(deps, [nameOf(attachment, 'file')]);
  }
}

/** Why a row has not taken the bytes of an upload. */
async function whyNotGiven(deps: FileDeps, attachment: Attachment): Promise<UploadResult> {
  const found = await findUpload(deps, attachment);
  if (found === null) return { type: 'gone' };
  return { type: found.attachment.status === 'WAITING' ? 'overtaken' : 'already-there' };
}

/** Removes what earlier uploads of the same attachment have left, which a crash ended before they could. */
async function dropEarlier(deps: FileDeps, attachment: Stored): Promise<void> {
  const name = nameOf(attachment, 'file');
  const earlier = namesOf(attachment)
    .slice(0, attachment.uploads)
    .filter((each) => each !== name);
  await drop(deps, earlier);
}

/** Removes bytes that belong to no row. If that fails, they go with the row or with the record of its removal. */
async function drop({ fileStore }: FileDeps, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await fileStore.remove(names, AbortSignal.timeout(DROP_TIMEOUT_MS)).catch((error: unknown) => {
    log.warn({ failure: failureName(error) }, 'bytes of an upload could not be removed yet');
  });
}

/** Passes on exactly so many bytes. Throws WrongSizeError. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  size: number,
  hash: Hash,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    if (total > size) throw new WrongSizeError(true);
    hash.update(chunk);
    yield chunk;
  }
  if (total < size) throw new WrongSizeError(false);
}

class WrongSizeError extends Error {
  override readonly name = 'WrongSizeError';
  readonly isTooLong: boolean;

  constructor(isTooLong: boolean) {
    super('An upload does not have the size that was announced.');
    this.isTooLong = isTooLong;
  }
}

const MAX_UPLOADS = 20; // a line that breaks as often will not do better the next time
const DROP_TIMEOUT_MS = 10_000;
