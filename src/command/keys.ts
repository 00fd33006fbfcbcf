import { eq } from 'drizzle-orm';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { prefixOf } from '../db/id.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { findRotationObstacles, findRunningServers } from '../fleet/running-servers.ts';
import { type OpenedKeys, type RotateDeps, rotateRoot, rotateTenant, verifyKeys } from '../keys/rotate.ts';
import type { SealFailure } from '../vault/reseal.ts';
import { UsageError } from './help.ts';
import { printLine } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `keys …` and returns its exit code. */
export async function runKeysCommand(
  readSettings: () => Config,
  [action, tenantId]: readonly string[],
): Promise<number> {
  const command = commandOf(action, tenantId);
  return await withSealedData(readSettings(), (data) => command({ ...data, printLine }));
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
 * Runs `keys rotate-root` and returns its exit code. It does nothing while a running server lacks the first root key, since
 * that server could not open the rows. Before it says that the old root key can be removed, it opens every row again: a row
 * may name the first root and not open, and a server with an old configuration may have sealed one meanwhile. Such a server
 * may also seal with the old root later.
 */
export async function rotateRootCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { rootKeys, printLine } = deps;
  const [first, ...others] = rootKeys;
  if (await isBlocked(deps)) return 1;
  printLine(`Sealing every key with root ${first.id}. If this is interrupted, run it again.`);
  const { resealed, resealedLogs, resealedFiles } = await rotateRoot(deps);
  printLine(`${countedRows({ keys: resealed, logs: resealedLogs, files: resealedFiles })} sealed again.`);

  const { opened, skipped, failures } = await verifyKeys(deps);
  printSkipped(printLine, skipped);
  if (failures.length > 0) {
    printFailures(printLine, failures);
    printLine('Then run this again. Until it ends without such a key, keep the old root key where it is.');
    return 1;
  }
  const behind = total(opened.filter(({ rootId }) => rootId !== first.id));
  if (behind.keys + behind.logs + behind.files > 0) {
    printLine(
      `${countedRows(behind)} sealed with another root meanwhile, by a server that still runs with the old order of roots.`,
    );
    printLine(`Restart every server with ${first.id} as its first root, then run this again.`);
    return 1;
  }
  printLine(`Every key is sealed with root ${first.id} and opens: ${countedRows(total(opened))}.`);
  const stillOld = (await findRunningServers(deps.db)).filter(({ rootIds }) => rootIds[0] !== first.id);
  if (stillOld.length > 0) {
    for (const { name, rootIds } of stillOld)
      printLine(`Do not take out ${rootIds[0]} yet: ${name}, is running and seals with it.`);
    printLine(`Restart it with ${first.id} as its first root, then run this again.`);
    return 1;
  }
  printLine(others.length > 0 ? OLD_ROOT_SENTENCE : NEW_ROOT_SENTENCE);
  return 0;
}

/** Runs `keys rotate-owner <id>` and returns its exit code: 1 if a key did not open or there is no such tenant. */
export async function rotateTenantCommand(deps: KeysCommandDeps, tenantId: string): Promise<0 | 1> {
  const { db, printLine } = deps;
  const tenants = prefixOf(tenantId) === 'tem' ? teams : workspaces;
  const [tenant] = await db.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenantId));
  if (tenant === undefined) {
    printLine('There is no workspace or team with this id. Nothing was changed.');
    return 1;
  }
  if (await isBlocked(deps)) return 1;
  printLine(`Sealing the keys of ${tenant.id} again. If this is interrupted, run it again.`);
  const { type, generation, resealed, resealedFiles, skipped, failures } = await rotateTenant(
    deps,
    tenant.id,
  );
  const rows = countedRows({ keys: resealed, logs: 0, files: resealedFiles });
  printLine(`${rows} sealed again with generation ${generation}.`);
  printSkipped(printLine, skipped);
  if (type === 'finished-earlier')
    printLine('This finished a rotation that was begun earlier. Run it again to begin a further generation.');
  if (failures.length === 0) return 0;
  printFailures(printLine, failures);
  return 1;
}

/** Runs `keys verify` and returns its exit code: 0 only if every key opens. */
export async function verifyCommand(deps: KeysCommandDeps): Promise<0 | 1> {
  const { rootKeys, printLine } = deps;
  const { opened, skipped, failures } = await verifyKeys(deps);
  for (const group of opened)
    printLine(`Root key ${group.rootId}, generation ${group.generation}: ${countedRows(group)} opened.`);
  printSkipped(printLine, skipped);
  if (failures.length > 0) {
    printFailures(printLine, failures);
    return 1;
  }
  printLine(`Every key opens: ${countedRows(total(opened))}.`);
  if (opened.some(({ rootId }) => rootId !== rootKeys[0].id))
    printLine(
      `Some are not sealed with the first root, ${rootKeys[0].id}, yet. To seal them with it, run keys rotate-root.`,
    );
  return 0;
}

export interface KeysCommandDeps extends RotateDeps {
  /** Prints a sentence for the operator. */
  printLine: (sentence: string) => void;
}

/** Whether a running server makes the command unsafe. Prints why. */
async function isBlocked({ db, rootKeys, printLine }: KeysCommandDeps): Promise<boolean> {
  const obstacles = await findRotationObstacles(db, rootKeys[0].id);
  for (const sentence of obstacles) printLine(sentence);
  return obstacles.length > 0;
}

const OLD_ROOT_SENTENCE =
  'The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.';
const NEW_ROOT_SENTENCE =
  'It is the only root key given. To change it, put a new one and a comma before it in LATCHKEY_ROOT_KEY or its file, restart the server and run this again.';

type Counts = Pick<OpenedKeys, 'keys' | 'logs' | 'files'>;

function printSkipped(printLine: KeysCommandDeps['printLine'], skipped: number): void {
  if (skipped > 0)
    printLine(
      `${countedRows({ keys: skipped, logs: 0, files: 0 })} skipped, waiting for the secret to be pasted again.`,
    );
}

function printFailures(printLine: KeysCommandDeps['printLine'], failures: readonly SealFailure[]): void {
  const keys = failures.filter(({ id }) => prefixOf(id) === 'key').length;
  const files = failures.filter(({ id }) => prefixOf(id) === 'att').length;
  for (const { id, type } of failures) printLine(`${nameOf(id)} does not open: ${type}.`);
  printLine(`${countedRows({ keys, logs: failures.length - keys - files, files })} left as found.`);
  if (failures.some(({ type }) => type === 'unknown-root'))
    printLine(
      'unknown-root: add the root key that sealed it to LATCHKEY_ROOT_KEY or its file, after the first one.',
    );
  if (failures.some(({ type }) => type === 'tampered'))
    printLine(
      'tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.',
    );
}

function nameOf(id: string): string {
  switch (prefixOf(id)) {
    case 'key':
      return id;
    case 'att':
      return `The file ${id}`;
    default:
      return `The audit log of ${id}`;
  }
}

function total(groups: readonly Counts[]): Counts {
  return {
    keys: groups.reduce((sum, { keys }) => sum + keys, 0),
    logs: groups.reduce((sum, { logs }) => sum + logs, 0),
    files: groups.reduce((sum, { files }) => sum + files, 0),
  };
}

/** E.g. `3 keys and 1 audit log`. A count of zero is left out, unless all are zero. */
function countedRows({ keys, logs, files }: Counts): string {
  const parts = [
    ...(keys > 0 || logs + files === 0 ? [counted(keys, 'key')] : []),
    ...(logs > 0 ? [counted(logs, 'audit log')] : []),
    ...(files > 0 ? [counted(files, 'file')] : []),
  ];
  return LIST.format(parts);
}

const LIST = new Intl.ListFormat('en');
