import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failureCode } from '../log.ts';
import type { SealedBytes } from '../vault/file-box.ts';
import { temporaryPath, writeNewFile } from './new-file.ts';
import { type FileStore, MissingFileError } from './store.ts';

/**
 * Keeps files in a folder, which several servers can share. A file is written beside its place and renamed, so that at any moment,
 * after a crash too, it is there whole or not at all.
 */
export function openFolderStore(folder: string): FileStore {
  const unfinished = join(folder, 'unfinished');
  const pathOf = (name: string) => join(folder, folderOf(name), name);
  return {
    async put(name, bytes, signal) {
      const temporary = temporaryPath(unfinished);
      await writeNewFile(temporary, bytes, signal);
      const path = pathOf(name);
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await syncFolder(dirname(path));
    },

    async open(name): Promise<SealedBytes> {
      const path = pathOf(name);
      const { size } = await stat(path).catch((error: unknown) => {
        throw failureCode(error) === 'ENOENT' ? new MissingFileError() : error;
      });
      return {
        length: size,
        read: ({ start, end }) => createReadStream(path, { start, end: end - 1 }),
      };
    },

    async remove(names) {
      for (const name of names) await rm(pathOf(name), { force: true });
    },

    async clearLeftovers() {
      const before = Date.now() - LEFTOVER_AFTER_MS;
      for (const name of await namesIn(unfinished)) {
        const path = join(unfinished, name);
        const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() })); // an upload that has ended meanwhile
        if (mtimeMs < before) await rm(path, { force: true });
      }
    },
  };
}

/** Spreads files over a thousand folders by the last characters of their ids, which are random; the first are the time. */
function folderOf(name: string): string {
  const [id = ''] = name.split('.');
  return id.slice(-2);
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (failureCode(error) === 'ENOENT') return []; // nothing was uploaded yet
    throw error;
  });
}

/** Makes a new name in a folder durable. Windows does not sync folders. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** No upload takes as long, and another server that shares the folder may be at one. */
const LEFTOVER_AFTER_MS = 24 * 60 * 60 * 1_000;
