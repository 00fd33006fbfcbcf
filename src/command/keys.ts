import { eq } from 'drizzle-orm';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { prefixOf } from '../db/id.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { findHindrances, findRootHolders } from '../keys/root-holders.ts';
import { type OpenedKeys, type RotateDeps, rotateRoot, rotateTenant, verifyKeys } from '../keys/rotate.ts';
import type { SealFailure } from '../vault/reseal.ts';
import { UsageError } from './help.ts';
import { say as print } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `keys …` and returns its exit code. */
export async function runKeysCommand(
  readSettings: () => Config,
  [action, tenantId]: readonly string[],
): Promise<number> {
  const command = commandOf(action, tenantId);
  return await withSealedData(readSettings(), (data) => command({ ...data, say: print }));
}

function commandOf(
  action: string | undefined,
  tenantId: string | undefined,
): (deps: KeysCommandDeps) => Promise<number> {
  if (action === 'rotate-owner' && tenantId !== undefined)
    return (deps) => rotateTenantCommand(deps, tenantId);
  if (action === 'rotate-owner')
    throw new UsageError('keys rotate-owner needs the id of a workspace or team.');
  if (tenantId !== undefined) throw new UsageError(`"${tenantId}" is one word too many.`);
  if (action === 'rotate-root') return rotateRootCommand;
  if (action === 'verify') return verifyCommand;
  throw new UsageError('keys needs one of: verify, rotate-root, rotate-owner.');
}

/**
 * Runs `keys rotate-root` and returns its exit code. It does nothing while a server runs that cannot open what it would seal.
 * It opens everything once more before it says that the old root key can go: also a key that only claims the first root, and
 * one that a server with an old configuration sealed meanwhile. Such a server may also seal with the old root later.
 */
export async function rotateRootCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { rootKeys, say } = deps;
  const [first, ...others] = rootKeys;
  if (await isHindered(deps)) return 1;
  say(`Sealing every key with root ${first.id}. If this is interrupted, run it again.`);
  const { resealed, resealedLogs } = await rotateRoot(deps);
  say(`${countedRows({ keys: resealed, logs: resealedLogs })} sealed anew.`);

  const { opened, skipped, failures } = await verifyKeys(deps);
  saySkipped(say, skipped);
  if (failures.length > 0) {
    sayFailures(say, failures);
    say('Then run this again. Until it ends without such a key, keep the old root key where it is.');
    return 1;
  }
  const behind = total(opened.filter(({ rootId }) => rootId !== first.id));
  if (behind.keys + behind.logs > 0) {
    say(
      `${countedRows(behind)} sealed with another root meanwhile, by a server that still runs with the old order of roots.`,
    );
    say(`Restart every server with ${first.id} as its first root, then run this again.`);
    return 1;
  }
  say(`Every key is sealed with root ${first.id} and opens: ${countedRows(total(opened))}.`);
  const stillOld = (await findRootHolders(deps.db)).filter(({ rootIds }) => rootIds[0] !== first.id);
  if (stillOld.length > 0) {
    for (const { name, rootIds } of stillOld)
      say(`Do not take out ${rootIds[0]} yet: ${name}, is running and seals with it.`);
    say(`Restart it with ${first.id} as its first root, then run this again.`);
    return 1;
  }
  say(others.length > 0 ? OLD_ROOT_SENTENCE : NEW_ROOT_SENTENCE);
  return 0;
}

/** Runs `keys rotate-owner <id>` and returns its exit code: 1 if a key did not open or there is no such owner. */
export async function rotateTenantCommand(deps: KeysCommandDeps, tenantId: string): Promise<0 | 1> {
  const { db, say } = deps;
  const tenants = prefixOf(tenantId) === 'tem' ? teams : workspaces;
  const [tenant] = await db.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenantId));
  if (tenant === undefined) {
    say('There is no workspace or team with this id. Nothing was changed.');
    return 1;
  }
  if (await isHindered(deps)) return 1;
  say(`Sealing the keys of ${tenant.id} anew. If this is interrupted, run it again.`);
  const { type, generation, resealed, skipped, failures } = await rotateTenant(deps, tenant.id);
  say(`${countedRows({ keys: resealed, logs: 0 })} sealed anew with generation ${generation}.`);
  saySkipped(say, skipped);
  if (type === 'finished-earlier')
    say('This finished a rotation that was begun earlier. Run it again to begin a further generation.');
  if (failures.length === 0) return 0;
  sayFailures(say, failures);
  return 1;
}

/** Runs `keys verify` and returns its exit code: 0 only if every key opens. */
export async function verifyCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { rootKeys, say } = deps;
  const { opened, skipped, failures } = await verifyKeys(deps);
  for (const group of opened)
    say(`RootKey ${group.rootId}, generation ${group.generation}: ${countedRows(group)} opened.`);
  saySkipped(say, skipped);
  if (failures.length > 0) {
    sayFailures(say, failures);
    return 1;
  }
  say(`Every key opens: ${countedRows(total(opened))}.`);
  if (opened.some(({ rootId }) => rootId !== rootKeys[0].id))
    say(
      `Some are not sealed with the first root, ${rootKeys[0].id}, yet. To seal them with it, run keys rotate-root.`,
    );
  return 0;
}

export interface KeysCommandDeps extends RotateDeps {
  /** Tells the person at the terminal. */
  say: (sentence: string) => void;
}

async function isHindered({ db, rootKeys, say }: KeysCommandDeps): Promise<boolean> {
  const hindrances = await findHindrances(db, rootKeys[0].id);
  for (const sentence of hindrances) say(sentence);
  return hindrances.length > 0;
}

const OLD_ROOT_SENTENCE =
  'The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.';
const NEW_ROOT_SENTENCE =
  'It is the only root key given. To change it, put a new one and a comma before it in LATCHKEY_ROOT_KEY or its file, restart the server and run this again.';

type Counts = Pick<OpenedKeys, 'keys' | 'logs'>;

function saySkipped(say: KeysCommandDeps['say'], skipped: number): void {
  if (skipped > 0)
    say(`${countedRows({ keys: skipped, logs: 0 })} skipped, waiting for the secret to be pasted again.`);
}

function sayFailures(say: KeysCommandDeps['say'], failures: readonly SealFailure[]): void {
  const logs = failures.filter(({ id }) => prefixOf(id) !== 'key').length;
  for (const { id, type } of failures)
    say(`${prefixOf(id) === 'key' ? id : `The audit log of ${id}`} does not open: ${type}.`);
  say(`${countedRows({ keys: failures.length - logs, logs })} left as found.`);
  if (failures.some(({ type }) => type === 'unknown-root'))
    say(
      'unknown-root: add the root key that sealed it to LATCHKEY_ROOT_KEY or its file, after the first one.',
    );
  if (failures.some(({ type }) => type === 'tampered'))
    say(
      'tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.',
    );
}

function total(groups: readonly Counts[]): Counts {
  return {
    keys: groups.reduce((sum, { keys }) => sum + keys, 0),
    logs: groups.reduce((sum, { logs }) => sum + logs, 0),
  };
}

/** E.g. `3 keys and 1 audit log`. What there is none of is left out, unless there is nothing. */
function countedRows({ keys, logs }: Counts): string {
  const ofKeys = counted(keys, 'key');
  if (logs === 0) return ofKeys;
  const ofLogs = counted(logs, 'audit log');
  return keys === 0 ? ofLogs : `${ofKeys} and ${ofLogs}`;
}
