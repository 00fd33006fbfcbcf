import { mkdtemp, readFile, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { storedNames } from './attachment.ts';
import { bucketSettings, startBucket } from './bucket.ts';

/** Where a server keeps its files, as a test sees it. */
export interface FilePlace extends AsyncDisposable {
  /** The settings of the server. */
  env: Record<string, string>;
  /** The names of the files that are kept whole. */
  names(): string[];
  /** The names of those that are being written. */
  unfinished(): string[];
  read(name: string): Promise<Buffer>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Everything that a bucket was asked, with all headers; nothing for a folder. */
  asked(): string[];
  /** Resolves as soon as another file is kept whole, if possible before the server knows. */
  untilKept(): Promise<void>;
}

/** Opens a new place in a data folder. */
export type OpenFilePlace = (dataDir?: string) => Promise<FilePlace>;

/** Everything that is promised of files holds for a folder and for a bucket. */
export const FILE_PLACES: Record<'a folder' | 'a bucket', OpenFilePlace> = {
  async 'a folder'(dataDir) {
    const folder = join(dataDir ?? (await newFolder()), 'files');
    const pathOf = (name: string) => join(folder, name.split('.')[0]?.slice(-2) ?? '', name);
    return {
      env: { LATCHKEY_FILES_DIR: folder },
      names: () => storedNames(folder).filter(isAttachment),
      unfinished: () => storedNames(folder).filter((name) => !isAttachment(name)),
      read: (name) => readFile(pathOf(name)),
      write: (name, bytes) => writeFile(pathOf(name), bytes),
      asked: () => [],
      untilKept: () => untilFileIn(folder),
      async [Symbol.asyncDispose]() {},
    };
  },

  async 'a bucket'(dataDir) {
    const folder = dataDir ?? (await newFolder());
    const bucket = await startBucket();
    return {
      env: { LATCHKEY_DATA_DIR: folder, ...(await bucketSettings(bucket)) },
      names: () => [...bucket.objects.keys()].filter(isAttachment),
      unfinished: () => storedNames(join(folder, 'files')),
      read: async (name) => Buffer.from(bucket.objects.get(name) ?? []),
      write: async (name, bytes) => void bucket.objects.set(name, bytes),
      asked: () => bucket.heads,
      async untilKept() {
        const { promise, resolve } = Promise.withResolvers<void>();
        bucket.onKept = () => resolve();
        await promise;
        delete bucket.onKept;
      },
      [Symbol.asyncDispose]: () => bucket[Symbol.asyncDispose](),
    };
  },
};

/** A title and how to open it, for each place. */
export const EACH_FILE_PLACE = Object.entries(FILE_PLACES);

function isAttachment(name: string): boolean {
  return name.startsWith('att_');
}

async function untilFileIn(folder: string): Promise<void> {
  for await (const { filename } of watch(folder, { recursive: true }))
    if (filename !== null && isAttachment(basename(filename))) return;
}

async function newFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'latchkey-files-'));
}
