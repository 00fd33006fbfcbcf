import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { rowsByRootId } from '../keys/rotate.ts';
import { loadRootKeys } from '../vault/root-key.ts';
import type { RootKey } from '../vault/seal.ts';
import { madeSecretFile } from '../vault/secret-source.ts';
import { lockDataFolder } from './data-folder.ts';
import { printLine } from './terminal.ts';

/**
 * Opens the database and the root keys for a command that works on sealed rows. It does not open the whole app, which would
 * take every answer that a running server is writing for one that a crash left behind.
 */
export async function withSealedData<Result>(
  config: Config,
  use: (data: SealedData) => Promise<Result>,
): Promise<Result> {
  const release = await lockDataFolder(config);
  try {
    const { db, close } = await openDatabase(config, printLine);
    try {
      const rootKeys = await loadRootKeys({
        rootKey: config.rootKey,
        rootKeyFile: config.rootKeyFile ?? existingRootKeyFile(config),
        dataDir: config.dataDir,
        isEmbedded: config.databaseUrl === undefined,
        // Only a starting server makes a root key, never a command that reads saved rows.
        isLoopback: false,
        rowsByRootId: () => rowsByRootId(db),
        report: printLine,
      });
      return await use({ db, rootKeys });
    } finally {
      await close();
    }
  } finally {
    await release();
  }
}

/** The database and root keys for commands that open sealed rows. */
export interface SealedData {
  db: Database;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** The file of the root key that a server on loopback has made for itself, on the conditions on which that server uses it. */
function existingRootKeyFile(config: Config): string | undefined {
  const file = madeSecretFile(config.dataDir, 'root.key');
  const isUsed = config.rootKey === undefined && config.databaseUrl === undefined && config.isLoopback;
  return isUsed && existsSync(file) ? file : undefined;
}
