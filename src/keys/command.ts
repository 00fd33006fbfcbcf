import { eq } from 'drizzle-orm';
import { workspaces } from '../db/tables/workspace.ts';
import { type RotateDeps, rotateOwner, rotateRoot } from './rotate.ts';
import type { SealedKeyFailure } from './sealed-key.ts';
import { type OpenedKeys, verifyKeys } from './verify.ts';

/**
 * Runs `keys rotate-root` and returns its exit code. It opens every key once more before it says that the old root key can
 * go: also one that only claims the first root, and one that a server with an old configuration sealed meanwhile.
 */
export async function rotateRootCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { roots, say } = deps;
  const [first, ...others] = roots;
  say(`Sealing every key with root ${first.id}. If this is interrupted, run it again.`);
  const { resealed } = await rotateRoot(deps);
  say(`${keys(resealed)} sealed anew.`);

  const { opened, skipped, failures } = await verifyKeys(deps);
  saySkipped(say, skipped);
  if (failures.length > 0) {
    sayFailures(say, failures);
    say('Then run this again. Until it ends without such a key, keep the old root key where it is.');
    return 1;
  }
  const behind = countKeys(opened.filter(({ rootId }) => rootId !== first.id));
  if (behind > 0) {
    say(
      `${keys(behind)} sealed with another root meanwhile, by a server that still runs with the old order of roots.`,
    );
    say(`Restart every server with ${first.id} as its first root, then run this again.`);
    return 1;
  }
  say(`Every key is sealed with root ${first.id} and opens: ${keys(countKeys(opened))}.`);
  say(others.length > 0 ? OLD_ROOT_SENTENCE : NEW_ROOT_SENTENCE);
  return 0;
}

/** Runs `keys rotate-owner <workspaceId>` and returns its exit code: 1 if a key did not open or there is no such owner. */
export async function rotateOwnerCommand(deps: KeysCommandDeps, workspaceId: string): Promise<0 | 1> {
  const { db, say } = deps;
  const [workspace] = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(workspaces.id, workspaceId));
  if (workspace === undefined) {
    say('There is no workspace with this id. Nothing was changed.');
    return 1;
  }
  say(`Sealing the keys of ${workspace.id} anew. If this is interrupted, run it again.`);
  const { type, generation, resealed, skipped, failures } = await rotateOwner(deps, workspace.id);
  say(`${keys(resealed)} sealed anew with generation ${generation}.`);
  saySkipped(say, skipped);
  if (type === 'finished-earlier')
    say('This finished a rotation that was begun earlier. Run it again to begin a further generation.');
  if (failures.length === 0) return 0;
  sayFailures(say, failures);
  return 1;
}

/** Runs `keys verify` and returns its exit code: 0 only if every key opens. */
export async function verifyCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { roots, say } = deps;
  const { opened, skipped, failures } = await verifyKeys(deps);
  for (const group of opened)
    say(`Root ${group.rootId}, generation ${group.generation}: ${keys(group.keys)} opened.`);
  saySkipped(say, skipped);
  if (failures.length > 0) {
    sayFailures(say, failures);
    return 1;
  }
  say(`Every key opens: ${keys(countKeys(opened))}.`);
  if (opened.some(({ rootId }) => rootId !== roots[0].id))
    say(
      `Some are not sealed with the first root, ${roots[0].id}, yet. To seal them with it, run keys rotate-root.`,
    );
  return 0;
}

export interface KeysCommandDeps extends RotateDeps {
  /** Tells the person at the terminal. */
  say: (sentence: string) => void;
}

const OLD_ROOT_SENTENCE =
  'The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.';
const NEW_ROOT_SENTENCE =
  'It is the only root key given. To change it, put a new one and a comma before it in LATCHKEY_ROOT_KEY or its file, restart the server and run this again.';

function saySkipped(say: KeysCommandDeps['say'], skipped: number): void {
  if (skipped > 0) say(`${keys(skipped)} skipped, waiting for the secret to be pasted again.`);
}

function sayFailures(say: KeysCommandDeps['say'], failures: readonly SealedKeyFailure[]): void {
  for (const { id, type } of failures) say(`${id} does not open: ${type}.`);
  say(`${keys(failures.length)} left as found.`);
  if (failures.some(({ type }) => type === 'unknown-root'))
    say(
      'unknown-root: add the root key that sealed it to LATCHKEY_ROOT_KEY or its file, after the first one.',
    );
  if (failures.some(({ type }) => type === 'tampered'))
    say(
      'tampered: the row was changed outside Latchkey. Restore it from a backup, replace its secret or remove the key.',
    );
}

function countKeys(groups: readonly OpenedKeys[]): number {
  return groups.reduce((total, group) => total + group.keys, 0);
}

function keys(number: number): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? 'key' : 'keys'}`;
}
