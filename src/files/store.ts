import { failureCode } from '../log.ts';
import type { FilePart, SealedBytes } from '../vault/file-box.ts';

/** Where the sealed bytes of files are kept: a folder or a bucket. It can read none of them. */
export interface FileStore {
  /**
   * Keeps bytes under a name, in place of what was there before. They are kept whole and durably, or not at all: if the source
   * fails, so does this, and leaves nothing.
   */
  put(name: string, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Finds what is kept under a name. Throws MissingFileError. */
  open(name: string, signal: AbortSignal): Promise<SealedBytes>;
  /** Removes what is kept under these names, if anything is. */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Removes what a crash has left of uploads that were under way. */
  clearLeftovers(): Promise<void>;
  /** Finds out whether files can be kept. Throws ConfigError, which says which setting to correct. */
  check(signal: AbortSignal): Promise<void>;
}

/** The store has nothing under a name that a row refers to. */
export class MissingFileError extends Error {
  override readonly name = 'MissingFileError';

  constructor() {
    super('The file store has no such file.');
  }
}

/** Whether something could not be kept because a disk, or one's share of it, is full. */
export function isOutOfRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(failureCode(error) ?? '');
}

/** An attachment as far as names in the store depend on it. */
export interface Stored {
  id: string;
  /** How often an upload of its bytes has begun: the last one counts. */
  uploads: number;
}

/** The name under which a part of an attachment is kept. */
export function nameOf({ id, uploads }: Stored, part: FilePart): string {
  return part === 'file' ? `${id}.${uploads}` : `${id}.${part}`;
}

/** All names under which anything of an attachment may be kept, those of uploads that were given up included. */
export function namesOf({ id, uploads }: Stored): string[] {
  const files = Array.from({ length: uploads }, (_, index) => nameOf({ id, uploads: index + 1 }, 'file'));
  return [...files, nameOf({ id, uploads }, 'text'), nameOf({ id, uploads }, 'picture')];
}
