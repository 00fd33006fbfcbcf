import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failureCode } from '../log.ts';
import { ConfigError } from '../read-setting.ts';
import type { SealedBytes } from '../vault/file-box.ts';
import { clearOldFiles, temporaryPath, writeNewFile } from './new-file.ts';
import { type FileStore, isOutOfRoom, MissingFileError } from './store.ts';

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

    clearLeftovers: () => clearOldFiles(unfinished),

    async check(signal) {
      const path = temporaryPath(unfinished);
      try {
        await writeNewFile(path, NOTHING, signal);
        await rm(path);
      } catch (error) {
        // A full disk is no wrong setting: what is there can be read, and there may be room again.
        if (isOutOfRoom(error)) return;
        throw new ConfigError(
          `Files cannot be kept in ${folder} (${failureCode(error)}). Let this user write there, or set LATCHKEY_FILES_DIR.`,
        );
      }
    },
  };
}

/** Spreads files over a thousand folders by the last characters of their ids, which are random; the first are the time. */
function folderOf(name: string): string {
  const [id = ''] = name.split('.');
  return id.slice(-2);
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

const NOTHING: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};
