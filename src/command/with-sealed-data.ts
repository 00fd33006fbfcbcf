import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { rowsByRootId } from '../keys/rotate.ts';
import { loadRootKeys } from '../vault/root-key.ts';
import type { RootKey } from '../vault/seal.ts';
import { madeSecretFile } from '../vault/secret-source.ts';
import { holdDataFolder } from './data-folder.ts';
import { say } from './terminal.ts';

/**
 * Lends the database and the root keys to a command that works on what is sealed. It works on them alone: opening the whole
 * app would take every answer that a running server is writing for one that a crash left behind.
 */
export async function withSealedData<Result>(
  config: Config,
  use: (data: SealedData) => Promise<Result>,
): Promise<Result> {
  const release = await holdDataFolder(config);
  try {
    const { db, close } = await openDatabase(config, say);
    try {
      const rootKeys = await loadRootKeys({
        rootKey: config.rootKey,
        rootKeyFile: config.rootKeyFile ?? existingRootKeyFile(config),
        dataDir: config.dataDir,
        isEmbedded: config.databaseUrl === undefined,
        // A root key is made where a server starts, never by a look at what is saved.
        isLoopback: false,
        rowsByRootId: () => rowsByRootId(db),
        say,
      });
      return await use({ db, rootKeys });
    } finally {
      await close();
    }
  } finally {
    await release();
  }
}

/** What commands that open sealed rows work with. */
export interface SealedData {
  db: Database;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** The root key that a server on a laptop has made for itself, under the conditions under which that server uses it. */
function existingRootKeyFile(config: Config): string | undefined {
  const file = madeSecretFile(config.dataDir, 'root.key');
  const isUsed = config.rootKey === undefined && config.databaseUrl === undefined && config.isLoopback;
  return isUsed && existsSync(file) ? file : undefined;
}
