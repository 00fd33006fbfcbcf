import { and, asc, gt, isNull, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { servers, settings } from '../db/tables/server.ts';
import { authCheckOf, type ServerFacts } from './lease.ts';

/** A server that runs now, as far as the database knows. */
export interface RunningServer {
  id: string;
  /** Host and process. */
  name: string;
  /** Ids of its root keys. The first one seals. */
  rootIds: string[];
  authCheck: string;
}

/** The servers that run now, oldest first. One that crashed counts for half a minute, since it may only be paused. */
export async function findRunningServers(db: Pick<Database, 'select'>): Promise<RunningServer[]> {
  return await db
    .select({ id: servers.id, name: servers.name, rootIds: servers.rootIds, authCheck: servers.authCheck })
    .from(servers)
    .where(and(isNull(servers.endedAt), gt(servers.leaseUntil, sql`now() - interval '15 seconds'`)))
    .orderBy(asc(servers.id));
}

/** Whether this is the server that does what only one of them needs to do. */
export async function isOldestServer(
  db: Pick<Database, 'select'>,
  { serverId }: { serverId: string },
): Promise<boolean> {
  const [oldest] = await findRunningServers(db);
  return oldest === undefined || oldest.id === serverId;
}

/** This server cannot join those that run. The message names one of them and says what to do. */
export class OtherSecretError extends Error {
  override readonly name = 'OtherSecretError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h
}

/**
 * Checks that the servers that run now and this one can open each other's keys and accept each other's sessions. Throws
 * OtherSecretError.
 */
export async function requireSameSecrets(db: Database, { rootIds, authSecret }: ServerFacts): Promise<void> {
  for (const other of await findRunningServers(db)) {
    const { name } = other;
    if (other.authCheck !== authCheckOf(authSecret))
      throw new OtherSecretError(
        `${name}, runs with another LATCHKEY_AUTH_SECRET, so sessions of one server would be refused by the other. Give all servers the same one. If that server has crashed, wait half a minute.`,
      );
    const unknown = [rootIds[0], other.rootIds[0]].find(
      (id) => !rootIds.includes(id ?? '') || !other.rootIds.includes(id ?? ''),
    );
    if (unknown !== undefined)
      throw new OtherSecretError(
        `${name}, runs with the root keys ${other.rootIds.join(', ')} and this server with ${rootIds.join(', ')}. ` +
          `What is sealed with ${unknown} would not open on both. Give all servers both, in the same order. If that server has crashed, wait half a minute.`,
      );
  }
}

/** Why a command must not seal with this root key now: one sentence for each running server that lacks it. */
export async function findRotationObstacles(db: Pick<Database, 'select'>, rootId: string): Promise<string[]> {
  const without = (await findRunningServers(db)).filter(({ rootIds }) => !rootIds.includes(rootId));
  return without.map(
    ({ name, rootIds }) =>
      `Nothing was changed: ${name}, is running with ${rootIds.join(', ')} and could not open what is sealed with ${rootId}. ` +
      `Give it ${rootId} as well and restart it, or stop it; if it has crashed, wait half a minute. Then run this again.`,
  );
}

/** The id of this installation, by which its servers find each other in a Redis that others use too. */
export async function readInstallationId(db: Pick<Database, 'select'>): Promise<string> {
  const [row] = await db.select({ installationId: settings.installationId }).from(settings);
  if (row === undefined) throw new Error('the row of settings is missing, which a migration inserts');
  return row.installationId;
}
