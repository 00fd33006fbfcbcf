import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

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

async function openNewFile(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return await open(path, 'wx', 0o600);
}
