import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failureCode } from '../log.ts';

/**
 * Writes bytes as they come into a new file that only this user may read. Durable when it resolves; nothing is left of it if it
 * fails.
 */
export async function writeNewFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const file = await openNewFile(path);
  try {
    await file.writeFile(bytes, { signal });
    await file.datasync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** A path for a file that another name is given, or that is removed, before the work is done. */
export function temporaryPath(folder: string): string {
  return join(folder, crypto.randomUUID());
}

/** Removes files that a crash has left in a folder of temporary ones. No upload takes a day, and other servers may be at one. */
export async function clearOldFiles(folder: string): Promise<void> {
  const before = Date.now() - LEFTOVER_AFTER_MS;
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() })); // an upload that has ended meanwhile
    if (mtimeMs < before) await rm(path, { force: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (failureCode(error) === 'ENOENT') return []; // nothing was uploaded yet
    throw error;
  });
}

async function openNewFile(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return await open(path, 'wx', 0o600);
}

const LEFTOVER_AFTER_MS = 24 * 60 * 60 * 1_000;
