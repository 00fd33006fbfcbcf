import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Config } from '../config.ts';
import { ConfigError } from '../read-setting.ts';

/**
 * Keeps every other Latchkey away from the embedded database, which two processes would ruin. The hold is a lock of the
 * operating system on a file in the folder. It ends with the process, however that ends, so none is ever left behind; it
 * belongs to the file, so other containers that share the folder meet it too. Returns what lets go; throws ConfigError,
 * with the name of the holder, if somebody else holds the folder. A database server needs no hold.
 */
export async function holdDataFolder(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
): Promise<() => Promise<void>> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl !== undefined) return async () => {};
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockFolder(dataDir);
  return async () => {
    rmSync(nameFileOf(dataDir), { force: true });
    lock.close(); // last, since the next holder may write its name from here on
  };
}

/**
 * Node locks files by way of SQLite only, so the lock is a transaction that never ends on a database that stays empty.
 * Nothing else in this process may open that file: closing any descriptor of a file gives up all locks of the process on it.
 */
function lockFolder(dataDir: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'latchkey.lock'), { timeout: PATIENCE_MS });
    lock.exec('pragma journal_mode = memory; begin immediate');
    writeFileSync(nameFileOf(dataDir), OWN_NAME);
    return lock;
  } catch (error) {
    lock?.close();
    throw new ConfigError(
      isBusy(error)
        ? `Another Latchkey is using the data folder ${dataDir}: ${holderOf(dataDir)}. Stop it first, or set LATCHKEY_DATA_DIR.`
        : `The data folder ${dataDir} cannot be locked: this user may not write in it, its disk is full, or its file system has no locks. Mend that, or set LATCHKEY_DATA_DIR.`,
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/** For people only: whether the folder is held is for the lock to say, since a crash leaves this file behind. */
function nameFileOf(dataDir: string): string {
  return join(dataDir, 'latchkey.holder');
}

function holderOf(dataDir: string): string {
  try {
    return readFileSync(nameFileOf(dataDir), 'utf8');
  } catch {
    return 'one that has left no name';
  }
}

const OWN_NAME = `latchkey on ${hostname()}, process ${process.pid}, since ${new Date().toISOString()}`;
const SQLITE_BUSY = 5;
const PATIENCE_MS = 500; // for a holder that is about to end, or has yet to write its name
