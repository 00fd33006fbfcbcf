import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Config } from '../config.ts';
import { ConfigError } from '../read-setting.ts';

/** Another Latchkey uses the data folder. The message names it and says what to do. */
export class DataFolderHeldError extends ConfigError {
  /** Where that process listens; null if it is no server, or one that is only just starting. */
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
 * Keeps every other Latchkey away from the embedded database, which two processes would ruin. The hold is a lock of the
 * operating system on a file in the folder. It ends with the process, however that ends, so none is ever left behind; it
 * belongs to the file, so other containers that share the folder meet it too. Returns what lets go; throws
 * DataFolderHeldError if another process holds the folder, and ConfigError if it cannot be locked. A database server needs no hold.
 */
export async function holdDataFolder({ databaseUrl, dataDir }: FolderSettings): Promise<() => Promise<void>> {
  if (databaseUrl !== undefined) return async () => {};
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockFolder(dataDir);
  return async () => {
    rmSync(nameFileOf(dataDir), { force: true });
    lock.close(); // last, since the next holder may write its name from here on
  };
}

/** Tells the commands that are refused the folder where the server listens that holds it. For the holder alone to call. */
export function publishServerUrl({ databaseUrl, dataDir }: FolderSettings, url: string): void {
  if (databaseUrl !== undefined) return;
  // What listens on every address is reached from here over loopback.
  const reachable = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  writeFileSync(nameFileOf(dataDir), `${OWN_NAME}\n${reachable}\n`);
}

type FolderSettings = Pick<Config, 'databaseUrl' | 'dataDir'>;

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
    if (isBusy(error)) throw new DataFolderHeldError(dataDir);
    throw new ConfigError(
      `The data folder ${dataDir} cannot be locked: this user may not write in it, its disk is full, or its file system has no locks. Mend that, or set LATCHKEY_DATA_DIR.`,
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/**
 * The file that says who holds the folder and, on its second line, where that server listens. Whether it is held is for the lock
 * to say: a crash leaves this file behind, and the next holder writes it anew.
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
