import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, ConfigError } from '../config.ts';

/**
 * Keeps every other Latchkey on this machine away from the embedded database, which two processes would ruin. The hold is a
 * listening socket: unlike a file with a process id it is gone with the process, however that ended. Returns what lets go;
 * throws ConfigError if somebody else holds the folder. A database server needs no hold.
 */
export async function holdDataFolder(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
): Promise<() => Promise<void>> {
  if (config.databaseUrl !== undefined) return async () => {};
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const address = addressOf(realpathSync(config.dataDir));
  const hold = createServer((socket) => socket.destroy()).unref();
  const listening = () =>
    new Promise<void>((resolve, reject) => {
      hold.once('error', reject);
      hold.listen(address, resolve);
    });
  try {
    await listening().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || (await isAnswered(address))) throw error;
      await unlink(address);
      await listening();
    });
  } catch {
    throw new ConfigError(
      `Another Latchkey is using the data folder ${config.dataDir}. Stop it first, or set LATCHKEY_DATA_DIR.`,
    );
  }
  return () => new Promise((resolve) => hold.close(() => resolve()));
}

/** A name that the kernel keeps where it has such names; elsewhere a file, which a crash leaves behind. */
function addressOf(folder: string): string {
  const name = `latchkey-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`;
  if (process.platform === 'linux') return `\0${name}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return join(tmpdir(), `${name}.sock`);
}

async function isAnswered(address: string): Promise<boolean> {
  const socket = connect(address);
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}
