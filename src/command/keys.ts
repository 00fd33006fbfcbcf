import type { Config } from '../config.ts';
import {
  type KeysCommandDeps,
  rotateOwnerCommand,
  rotateRootCommand,
  verifyCommand,
} from '../keys/command.ts';
import { UsageError } from './help.ts';
import { say } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `keys …` and returns its exit code. */
export async function runKeysCommand(
  readSettings: () => Config,
  [action, ownerId]: readonly string[],
): Promise<number> {
  const command = commandOf(action, ownerId);
  return await withSealedData(readSettings(), (data) => command({ ...data, say }));
}

function commandOf(
  action: string | undefined,
  ownerId: string | undefined,
): (deps: KeysCommandDeps) => Promise<number> {
  if (action === 'rotate-owner' && ownerId !== undefined) return (deps) => rotateOwnerCommand(deps, ownerId);
  if (action === 'rotate-owner')
    throw new UsageError('keys rotate-owner needs the id of a workspace or team.');
  if (ownerId !== undefined) throw new UsageError(`"${ownerId}" is one word too many.`);
  if (action === 'rotate-root') return rotateRootCommand;
  if (action === 'verify') return verifyCommand;
  throw new UsageError('keys needs one of: verify, rotate-root, rotate-owner.');
}
