import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { attachments } from '../db/tables/attachment.ts';
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

/** These files by their id. The caller authorises the viewer. */
export async function readFiles(
  deps: FileReaderDeps,
  ids: readonly string[],
): Promise<Map<string, MessageFile>> {
  const rows = await deps.db
    .select({ attachment: attachmentColumns, uploads: attachments.uploads, sealed: sealedFileKeyColumns })
    .from(attachments)
    .where(isOneOf(attachments.id, idsOf('att', ids)));
  return new Map(rows.map((row) => [row.attachment.id, fileOf(deps, row)]));
}

/** What reading files of messages needs. */
export type FileReaderDeps = Pick<FileDeps, 'db' | 'rootKeys' | 'fileStore'>;

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
