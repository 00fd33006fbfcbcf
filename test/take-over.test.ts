import { setTimeout as sleep } from 'node:timers/promises';
import { eq, isNotNull, sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { startTakeOvers } from '../src/answers/take-over.ts';
import { NO_BUS } from '../src/bus/in-process.ts';
import { Changes } from '../src/changes.ts';
import { drizzleOver, lendersOf } from '../src/db/driver.ts';
import { servers } from '../src/db/tables/server.ts';
import { FLEET_TIMES } from '../src/fleet/times.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';

test('the patience with a late server begins when a look has seen it, not when the look was sent', async () => {
  const opened = await freshDatabase();
  const { db } = opened;
  const id = 'run_late';
  await db.insert(servers).values({
    ...{ id, name: 'a server that was cut off', rootIds: [], authCheck: '' },
    leaseUntil: sql`now() - interval '1 second'`,
  });
  const { alone } = lendersOf(db);
  let seenAtMs: number | undefined;
  // The first look gets through only once the network is back, as the heartbeats of the late server do.
  const slowAtFirst = drizzleOver(async (work) => {
    if (seenAtMs === undefined) {
      await sleep(PATIENCE_MS);
      seenAtMs = performance.now();
    }
    return await alone(work);
  });
  const stop = startTakeOvers(
    { db: slowAtFirst, changes: new Changes(), bus: NO_BUS },
    { ...FLEET_TIMES, lookForDeadMs: 20, patienceMs: PATIENCE_MS },
  );
  const isEnded = isNotNull(servers.endedAt);
  await eventually('the late server was taken for dead', async () => {
    const [row] = await db.select({ isEnded }).from(servers).where(eq(servers.id, id));
    return row?.isEnded;
  });
  expect(performance.now() - (seenAtMs ?? 0)).toBeGreaterThanOrEqual(PATIENCE_MS);
  await stop();
  await opened.close();
});

const PATIENCE_MS = 300;
