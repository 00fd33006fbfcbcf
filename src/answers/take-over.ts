import { and, asc, isNull, lt, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { servers } from '../db/tables/server.ts';
import type { FleetTimes } from '../fleet/times.ts';
import { failureName, log } from '../log.ts';
import { waited } from '../waited.ts';
import { interruptAbandoned } from './abandoned.ts';

interface TakeOverDeps {
  db: Database;
  changes: Changes;
  bus: Bus;
}

/**
 * Ends the answers of servers that have died: looks every two seconds for leases that have run out, and ends one that it saw run
 * out for five seconds. A failed look starts the five seconds again, since after an outage of the database every server is late:
 * without that, healthy answers were ended. Returns a function that stops it.
 */
export function startTakeOvers(deps: TakeOverDeps, times: FleetTimes): () => Promise<void> {
  const stopping = new AbortController();
  const firstSeenMs = new Map<string, number>();
  const ended = run();
  return async () => {
    stopping.abort();
    await ended;
  };

  async function run(): Promise<void> {
    while (await waited(times.lookForDeadMs * (0.75 + 0.5 * Math.random()), stopping.signal)) {
      try {
        await look();
      } catch (error) {
        firstSeenMs.clear();
        log.warn({ failure: failureName(error) }, 'other servers could not be looked at');
      }
    }
  }

  async function look(): Promise<void> {
    const lookedAtMs = performance.now();
    const late = await findLate(deps.db);
    // Not when the look was sent: one that waited for the end of an outage would use up the patience for it.
    const seenAtMs = performance.now();
    for (const id of firstSeenMs.keys()) if (!late.includes(id)) firstSeenMs.delete(id);
    for (const id of late) if (!firstSeenMs.has(id)) firstSeenMs.set(id, seenAtMs);
    const dead = late.filter((id) => lookedAtMs - (firstSeenMs.get(id) ?? lookedAtMs) >= times.patienceMs);
    for (const id of dead.length === 0 ? [] : await endLeases(deps.db, dead)) {
      log.warn({ serverId: id }, 'a server stopped renewing its lease and was taken for dead');
      deps.bus.send(id, ['taken', id]); // it may live, and have lost the database alone
    }
    const interrupted = await interruptAbandoned(deps);
    if (interrupted > 0) log.warn({ answers: interrupted }, 'answers of another server were interrupted');
  }
}

async function findLate(db: Database): Promise<string[]> {
  const rows = await db.select({ id: servers.id }).from(servers).where(isLate).orderBy(asc(servers.id));
  return rows.map(({ id }) => id);
}

/** Ends those of these leases that have still run out, and returns their ids. */
async function endLeases(db: Database, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .update(servers)
    .set({ endedAt: sql`now()` })
    .where(and(isOneOf(servers.id, ids), isLate))
    .returning({ id: servers.id });
  return rows.map(({ id }) => id);
}

/** Ends the leases of all other servers: there are none, if this one alone may use the database. */
export async function endAllLeases(db: Database): Promise<void> {
  await db.update(servers).set({ endedAt: sql`now()` }).where(isNull(servers.endedAt));
}

const isLate = and(isNull(servers.endedAt), lt(servers.leaseUntil, sql`now()`));
