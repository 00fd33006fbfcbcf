import {
  type ByteRange,
  type FileKey,
  type FilePart,
  openBytes,
  openedLength,
  sealBytes,
} from '../vault/file-box.ts';
import { type FileStore, nameOf, type Stored } from './store.ts';

/** Seals bytes as they come and keeps them as a part of an attachment. */
export async function storePart(
  store: FileStore,
  attachment: Stored,
  part: FilePart,
  { key, bytes, signal }: { key: FileKey; bytes: AsyncIterable<Uint8Array>; signal: AbortSignal },
): Promise<void> {
  await store.put(nameOf(attachment, part), sealBytes(key, part, bytes), signal);
}

/**
 * Finds a part of an attachment. Its bytes are opened as they are read. Throws MissingFileError, and SealError, also in the midst
 * of reading, for bytes that are not the ones that were kept.
 */
export async function openPart(
  store: FileStore,
  attachment: Stored,
  part: FilePart,
  { key, signal }: { key: FileKey; signal: AbortSignal },
): Promise<OpenedPart> {
  const sealed = await store.open(nameOf(attachment, part), signal);
  const length = openedLength(sealed.length);
  return {
    length,
    read: (range = { start: 0, end: length }) => openBytes(key, part, sealed, range),
  };
}

export interface OpenedPart {
  length: number;
  /** All bytes, or those of a range. */
  read(range?: ByteRange): AsyncIterable<Uint8Array>;
}
