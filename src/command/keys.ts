import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import {
  type KeysCommandDeps,
  rotateOwnerCommand,
  rotateRootCommand,
  verifyCommand,
} from '../keys/command.ts';
import { loadRoots } from '../keys/root-key.ts';
import { rowsByRootId } from '../keys/sealing-key.ts';
import { holdDataFolder } from './data-folder.ts';
import { UsageError } from './help.ts';
import { say } from './terminal.ts';

/**
 * Runs `keys …` and returns its exit code. It works on the database alone: opening the whole app would take every answer that
 * a running server is writing for one that a crash left behind.
 */
export async function runKeysCommand(
  readSettings: () => Config,
  [action, ownerId]: readonly string[],
): Promise<number> {
  const command = commandOf(action, ownerId);
  const config = readSettings();
  const letGo = await holdDataFolder(config);
  try {
    const { db, close } = await openDatabase(config);
    try {
      const roots = await loadRoots({
        rootKey: config.rootKey,
        rootKeyFile: config.rootKeyFile ?? madeRootKeyFile(config),
        dataDir: config.dataDir,
        isEmbedded: config.databaseUrl === undefined,
        // A root key is made where a server starts, never by a look at what is saved.
        isLoopback: false,
        rowsByRootId: () => rowsByRootId(db),
        say,
      });
      return await command({ db, roots, say });
    } finally {
      await close();
    }
  } finally {
    await letGo();
  }
}

function commandOf(
  action: string | undefined,
  ownerId: string | undefined,
): (deps: KeysCommandDeps) => Promise<number> {
  if (action === 'rotate-owner' && ownerId !== undefined) return (deps) => rotateOwnerCommand(deps, ownerId);
  if (action === 'rotate-owner') throw new UsageError('keys rotate-owner needs the id of a workspace.');
  if (ownerId !== undefined) throw new UsageError(`"${ownerId}" is one word too many.`);
  if (action === 'rotate-root') return rotateRootCommand;
  if (action === 'verify') return verifyCommand;
  throw new UsageError('keys needs one of: verify, rotate-root, rotate-owner.');
}

/** The root key that a server on a laptop has made for itself, under the conditions under which that server uses it. */
function madeRootKeyFile(config: Config): string | undefined {
  const file = join(config.dataDir, 'root.key');
  const isUsed = config.rootKey === undefined && config.databaseUrl === undefined && config.isLoopback;
  return isUsed && existsSync(file) ? file : undefined;
}
