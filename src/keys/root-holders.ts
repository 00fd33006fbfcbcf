import { hostname } from 'node:os';
import { asc, eq, gt, lt, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { readProgramName } from '../db/migration-file.ts';
import { servers } from '../db/tables/server.ts';
import { failureName, log } from '../log.ts';
import type { RootKey } from '../vault/seal.ts';

/**
 * Records which root keys this server holds while it runs, so that no command seals with a root key that it lacks or reports one
 * as unused that it still seals with. The record is a lease that is renewed: one that a crash left behind expires in half a
 * minute. All times are the database's. Returns a function that removes the record.
 */
export async function recordRoots(
  { db, rootKeys }: { db: Database; rootKeys: readonly RootKey[] },
  serverId: string,
): Promise<() => Promise<void>> {
  const record = {
    id: serverId,
    name: `latchkey on ${hostname()}, process ${process.pid}`,
    rootIds: rootKeys.map(({ id }) => id),
    seenAt: sql`now()`,
    program: readProgramName(),
  };
  const renew = () =>
    db
      .insert(servers)
      .values(record)
      .onConflictDoUpdate({ target: servers.id, set: { seenAt: sql`now()` } });

  await db.delete(servers).where(lt(servers.seenAt, sql`now() - interval '1 day'`));
  await renew();
  let renewing: Promise<void> | undefined;
  const timer = setInterval(() => {
    renewing ??= renew()
      .then(() => {}, logFailure)
      .finally(() => {
        renewing = undefined;
      });
  }, RENEW_EVERY_MS);

  return async () => {
    clearInterval(timer);
    await renewing;
    await db.delete(servers).where(eq(servers.id, serverId)).catch(logFailure);
  };
}

/** The servers that run now, oldest first, with the ids of the root keys they hold. */
export async function findRootHolders(db: Pick<Database, 'select'>): Promise<RootHolder[]> {
  return await db
    .select({ name: servers.name, rootIds: servers.rootIds })
    .from(servers)
    .where(gt(servers.seenAt, sql`now() - interval '30 seconds'`))
    .orderBy(asc(servers.id));
}

export interface RootHolder {
  /** Host and process. */
  name: string;
  /** The first one seals. */
  rootIds: string[];
}

/** Why a command must not seal with this root key now: one sentence for each running server that lacks it. */
export async function findRotationObstacles(db: Pick<Database, 'select'>, rootId: string): Promise<string[]> {
  const without = (await findRootHolders(db)).filter(({ rootIds }) => !rootIds.includes(rootId));
  return without.map(
    ({ name, rootIds }) =>
      `Nothing was changed: ${name}, is running with ${rootIds.join(', ')} and could not open what is sealed with ${rootId}. ` +
      `Give it ${rootId} as well and restart it, or stop it; if it has crashed, wait half a minute. Then run this again.`,
  );
}

function logFailure(error: unknown): void {
  log.warn({ failure: failureName(error) }, 'the record of the root keys held here could not be renewed');
}

const RENEW_EVERY_MS = 5_000; // six times in the half minute for which a record counts
