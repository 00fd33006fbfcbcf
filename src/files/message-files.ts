import { asc, eq, sql } from 'drizzle-orm';
import { idsOf } from '../db/id.ts';
import { idList, isOneOf } from '../db/is-one-of.ts';
import { attachments, messageAttachments } from '../db/tables/attachment.ts';
import type { FilePart } from '../vault/file-box.ts';
import { type Attachment, attachmentColumns } from './attachment.ts';
import type { FileDeps } from './file-deps.ts';
import { openFileKey, type SealedFileKey, sealedFileKeyColumns } from './file-key.ts';
import type { Stored } from './store.ts';
import { type OpenedPart, openPart } from './stored-part.ts';

/**
 * A file of a message, as models are sent it. Each method reads the store and throws MissingFileError, or SealError for bytes that
 * are not the ones that were uploaded.
 */
export interface MessageFile {
  attachment: Attachment;
  /** The extracted text; null if there is none. */
  readText(signal: AbortSignal): Promise<string | null>;
  /** The copy of an image that models are sent; null for anything but an image. */
  readPicture(signal: AbortSignal): Promise<Uint8Array | null>;
  /** The bytes as they were uploaded, to be read as a stream, in whole or in ranges. */
  open(signal: AbortSignal): Promise<OpenedPart>;
}

/**
 * The files of these messages, in their order, by the id of the message, and those that a new message is to have under null. One
 * statement. The caller authorises the viewer.
 */
export async function readMessageFiles(
  deps: FileReaderDeps,
  messageIds: readonly string[],
  newIds: readonly string[] = [],
): Promise<Map<string | null, MessageFile[]>> {
  const wanted = deps.db.$with('wanted', wantedColumns).as(sql`
    select message_id, attachment_id, position from ${messageAttachments}
    where ${isOneOf(messageAttachments.messageId, idsOf('msg', messageIds))}
    union all
    select null, id, place::integer
    from unnest(string_to_array(${idList(idsOf('att', newIds))}, ',')) with ordinality as file(id, place)`);
  const rows = await deps.db
    .with(wanted)
    .select({
      messageId: sql<string | null>`${wanted.messageId}`,
      attachment: attachmentColumns,
      uploads: attachments.uploads,
      sealed: sealedFileKeyColumns,
    })
    .from(wanted)
    .innerJoin(attachments, eq(attachments.id, wanted.attachmentId))
    .orderBy(asc(wanted.messageId), asc(wanted.position));
  const byMessage = Map.groupBy(rows, ({ messageId }) => messageId);
  return new Map(
    byMessage.entries().map(([id, ofMessage]) => [id, ofMessage.map((row) => fileOf(deps, row))]),
  );
}

/** What reading files of messages needs. */
export type FileReaderDeps = Pick<FileDeps, 'db' | 'rootKeys' | 'fileStore'>;

const wantedColumns = {
  messageId: messageAttachments.messageId,
  attachmentId: messageAttachments.attachmentId,
  position: messageAttachments.position,
};

function fileOf(
  { rootKeys, fileStore }: Pick<FileReaderDeps, 'rootKeys' | 'fileStore'>,
  { attachment, uploads, sealed }: { attachment: Attachment; sealed: object } & Pick<Stored, 'uploads'>,
): MessageFile {
  const { id, textLength, pictureBytes } = attachment;
  const open = async (part: FilePart, signal: AbortSignal): Promise<OpenedPart> => {
    // What is sent is READY, so it has a key.
    const key = openFileKey(rootKeys, sealed as SealedFileKey);
    return await openPart(fileStore, { id, uploads }, part, { key, signal });
  };
  const readAll = async (part: FilePart, signal: AbortSignal): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync((await open(part, signal)).read()));
  return {
    attachment,
    readText: async (signal) => (textLength === null ? null : (await readAll('text', signal)).toString()),
    readPicture: async (signal) => (pictureBytes === null ? null : await readAll('picture', signal)),
    open: (signal) => open('file', signal),
  };
}
