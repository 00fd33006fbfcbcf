import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Config } from '../config.ts';
import { ConfigError } from '../read-setting.ts';

/** Another Latchkey process uses the data folder. The message names it and says what to do. */
export class DataFolderHeldError extends ConfigError {
  /** URL where that process listens; null if it is no server, or one that is still starting. */
  readonly serverUrl: string | null;

  constructor(dataDir: string) {
    const { name, url } = readHolder(dataDir);
    super(
      `Another Latchkey is using the data folder ${dataDir}: ${name}. Stop it first, or set LATCHKEY_DATA_DIR.`,
    );
    this.serverUrl = url;
  }
}

/**
 * Locks the data folder against every other Latchkey process: two of them would corrupt the embedded database. The lock is the
 * operating system's, on a file in the folder. It ends with the process, even after a crash, and holds for other containers
 * that share the folder. Returns a function that releases it. With a database server there is nothing to lock.
 * Throws DataFolderHeldError if another process holds the lock, and ConfigError if the folder cannot be locked.
 */
export async function lockDataFolder({ databaseUrl, dataDir }: FolderSettings): Promise<() => Promise<void>> {
  if (databaseUrl !== undefined) return async () => {};
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = openLock(dataDir);
  return async () => {
    rmSync(nameFileOf(dataDir), { force: true });
    lock.close(); // last, since the next holder may write its name as soon as the lock is free
  };
}

/** Writes the URL of the server that holds the lock, for commands that cannot get it. Only the holder may call this. */
export function publishServerUrl({ databaseUrl, dataDir }: FolderSettings, url: string): void {
  if (databaseUrl !== undefined) return;
  // A server that listens on every address is reached over loopback.
  const reachable = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  writeFileSync(nameFileOf(dataDir), `${OWN_NAME}\n${reachable}\n`);
}

type FolderSettings = Pick<Config, 'databaseUrl' | 'dataDir'>;

/**
 * Node can lock files only through SQLite, so the lock is a transaction that never ends, on a database that stays empty.
 * Nothing else in this process may open that file: closing any descriptor of a file releases all locks of the process on it.
 */
function openLock(dataDir: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'latchkey.lock'), { timeout: PATIENCE_MS });
    lock.exec('pragma journal_mode = memory; begin immediate');
    writeFileSync(nameFileOf(dataDir), OWN_NAME);
    return lock;
  } catch (error) {
    lock?.close();
    if (isBusy(error)) throw new DataFolderHeldError(dataDir);
    throw new ConfigError(
      `The data folder ${dataDir} cannot be locked: this user may not write in it, its disk is full, or its file system has no locks. Fix that, or set LATCHKEY_DATA_DIR.`,
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/**
 * The file that names the holder and, on its second line, the URL where it listens. It does not show whether the folder is
 * locked: a crash leaves this file behind, and the next holder overwrites it.
 */
function nameFileOf(dataDir: string): string {
  return join(dataDir, 'latchkey.holder');
}

function readHolder(dataDir: string): { name: string; url: string | null } {
  try {
    const [name = '', url = ''] = readFileSync(nameFileOf(dataDir), 'utf8').split('\n');
    return { name, url: url === '' ? null : url };
  } catch {
    return { name: 'one that has left no name', url: null };
  }
}

const OWN_NAME = `latchkey on ${hostname()}, process ${process.pid}, since ${new Date().toISOString()}`;
const SQLITE_BUSY = 5;
const PATIENCE_MS = 500; // for a holder that is about to end, or has yet to write its name
