import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { eventually } from './kit/eventually.ts';
import { type FailureRound, type Figures, newFigures, sayFigures, startRound } from './kit/failure-round.ts';
import { faster } from './kit/faster.ts';
import { canStartPostgres, startPostgres } from './kit/own-postgres.ts';
import { type FleetProcess, type ProcessFleet, startProcessFleet } from './kit/process-fleet.ts';
import { canStartRedis } from './kit/redis.ts';
import { recordWrites, type WriteRecords } from './kit/write-records.ts';

/**
 * Three servers, each a process of its own, of which one writes answers while people at the others watch them. Whatever then
 * dies, pauses or is cut off: every watcher in the end holds what is stored, each answer ends once, and nothing is written to it
 * afterwards. `LATCHKEY_TEST_FACTOR=1` keeps the true times of a fleet, which are ten times as long.
 */

const FACTOR = Number(process.env.LATCHKEY_TEST_FACTOR ?? 10);
const ROUNDS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 1);
const TIMES = faster(FACTOR);

/** When a server that has died is taken for dead at the latest. */
const DEAD_AFTER_MS = TIMES.leaseMs + TIMES.patienceMs + 3 * TIMES.lookForDeadMs;
/** On a busy machine, and with connections that are made again after up to two seconds whatever the times of the fleet are. */
const SLACK_MS = 15_000;
/** Of the provider. Rounds at true times are long, and many of them run beside each other. */
const PACE_MS = FACTOR > 1 ? 20 : 100;
/** A heartbeat and the time it takes. */
const MAY_BE_LOST_MS = TIMES.beatMs + 1_000;

const canRun = inject('postgresUrl') !== undefined && canStartRedis;

describe.runIf(canRun)('several servers', { timeout: 60_000 + ROUNDS * 90_000 }, () => {
  const ends: (() => void)[] = [];
  let fleet: ProcessFleet;
  let records: WriteRecords;

  beforeAll(async () => {
    fleet = await startProcessFleet({ factor: FACTOR, paceMs: PACE_MS, whenOver: (end) => ends.push(end) });
    records = await recordWrites(fleet.databaseUrl);
  });

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await records?.[Symbol.asyncDispose]();
    for (const end of ends) end();
  });

  const inRounds = (title: string, fail: Fail) => rounds(() => ({ fleet, records }), title, fail);

  test('the answers of a server that is killed are interrupted', async () => {
    await inRounds('kill -9 of the owner', async (round) => {
      await round.owner.kill();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await round.owner.restart();
      return 'INTERRUPTED';
    });
  });

  test('a server that is killed while it may be taking over leaves that to the third', async () => {
    await inRounds('kill -9 of the owner and then of another', async (round) => {
      await round.owner.kill();
      round.breaks();
      await sleep(TIMES.leaseMs + (DEAD_AFTER_MS - TIMES.leaseMs) * Math.random());
      await Promise.all([round.owner.restart(), round.others[0]?.restart()]);
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      return 'INTERRUPTED';
    });
  });

  test.each([
    ['shorter than its lease', TIMES.leaseMs / 2, 0],
    ['about as long as others are patient', TIMES.leaseMs + TIMES.patienceMs, 2 * TIMES.lookForDeadMs],
    ['until others have taken it for dead', DEAD_AFTER_MS, 0],
  ])(
    'a server that is paused for a time %s writes nothing to answers that others have ended',
    async (title, ms, jitterMs) => {
      await inRounds(`SIGSTOP of the owner, ${title}`, async (round) => {
        const isFinished = Math.random() < 0.5;
        round.owner.process.kill('SIGSTOP');
        round.breaks();
        if (isFinished) round.finish();
        await sleep(ms + jitterMs * Math.random());
        round.owner.process.kill('SIGCONT');
        await eventually('the owner has a lease', () => records.hasLease(round.owner.name), SLACK_MS);
        const expected = jitterMs > 0 ? 'any' : ms < TIMES.leaseMs ? 'COMPLETE' : 'INTERRUPTED';
        if (!isFinished && !(await hasLostAnswers(round, records))) {
          await round.untilMoreText(SLACK_MS);
          round.finish();
        }
        await round.untilEnded(SLACK_MS);
        await round.untilProviderLeft(SLACK_MS);
        return expected;
      });
    },
  );

  test('the answers that a server was about to begin when it was paused end too', async () => {
    await inRounds('SIGSTOP of the owner while it begins answers', async (round) => {
      const sends = round.sendBriefly(8);
      await sleep(20 * Math.random());
      round.owner.process.kill('SIGSTOP');
      round.breaks();
      await sleep(DEAD_AFTER_MS);
      round.owner.process.kill('SIGCONT');
      await sends;
      await round.untilEnded(SLACK_MS);
      const isNoneWritten = async () =>
        (await records.sql`select from messages where status = 'WRITING'`).length === 0;
      await eventually('no answer is being written', isNoneWritten, SLACK_MS);
      return 'INTERRUPTED';
    });
  });

  test('a Redis that is killed and started again interrupts nothing', async () => {
    await inRounds('kill -9 of Redis', async (round) => {
      await fleet.redis.kill();
      await round.untilMoreText(SLACK_MS);
      await sleep(Math.random() * TIMES.leaseMs);
      await fleet.restartRedis();
      await round.untilMoreText(SLACK_MS);
      return await finished(round);
    });
  });

  test('a Redis that is flushed and drops all its clients interrupts nothing', async () => {
    await inRounds('FLUSHALL and CLIENT KILL', async (round) => {
      const client = createClient({ url: fleet.redis.url, RESP: 2 });
      await client.connect();
      await client.flushAll();
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await round.untilMoreText(SLACK_MS);
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal']);
      client.destroy();
      await round.untilMoreText(SLACK_MS);
      return await finished(round);
    });
  });

  test.each(['all servers', 'the owner', 'another server'] as const)(
    'a network to Redis that swallows everything or refuses connections, for %s, interrupts nothing',
    async (whom) => {
      await inRounds(`the way to Redis is a black hole or cut, for ${whom}`, async (round) => {
        const ways = serversOf(round, whom).map(({ redis }) => redis);
        await Promise.all(ways.map((way) => (Math.random() < 0.5 ? way.silence() : way.cut())));
        await round.untilMoreText(SLACK_MS);
        await sleep(Math.random() * TIMES.leaseMs);
        await Promise.all(ways.map((way) => way.restore()));
        await round.untilMoreText(SLACK_MS);
        return await finished(round);
      });
    },
  );

  test('the answers of a server that is killed while Redis is away are interrupted', async () => {
    await inRounds('kill -9 of the owner while Redis is away', async (round) => {
      await fleet.redis.kill();
      await round.owner.kill();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await fleet.restartRedis();
      await round.owner.restart();
      return 'INTERRUPTED';
    });
  });

  test('a database that ends all sessions and refuses new ones for a while interrupts nothing', async () => {
    await inRounds('PostgreSQL ends all sessions', async (round) => {
      await Promise.all(fleet.servers.map(({ database }) => database.cut()));
      await sleep(Math.random() * 1.7 * TIMES.leaseMs);
      await Promise.all(fleet.servers.map(({ database }) => database.restore()));
      await records.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.catch(() => {});
      await round.untilMoreText(SLACK_MS);
      return await finished(round);
    });
  });

  test('a database that is away for longer than a lease, for all servers, interrupts nothing', async () => {
    await inRounds('PostgreSQL is a black hole for all', async (round) => {
      await round.untilMoreText(SLACK_MS); // who begins to follow needs the database
      for (const { database } of fleet.servers) database.silence();
      await round.untilMoreText(SLACK_MS);
      await sleep(1.7 * TIMES.leaseMs);
      await Promise.all(fleet.servers.map(({ database }) => database.restore()));
      await round.untilMoreText(SLACK_MS);
      return await finished(round);
    });
  });

  test('the answers of a server that alone loses the database are interrupted, and it goes on afterwards', async () => {
    await inRounds('PostgreSQL is a black hole for the owner', async (round) => {
      round.owner.database.silence();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await sleep(Math.random() * TIMES.leaseMs);
      await round.owner.database.restore();
      await round.untilProviderLeft(SLACK_MS);
      await eventually('the owner has a lease', () => records.hasLease(round.owner.name), SLACK_MS);
      return 'INTERRUPTED';
    });
  });

  test('the watchers at a server that alone loses the database hear the end once it has it again', async () => {
    await inRounds('PostgreSQL is a black hole for another server', async (round) => {
      const { database } = round.others[0] as FleetProcess;
      await round.untilMoreText(SLACK_MS);
      database.silence();
      await round.untilMoreText(SLACK_MS);
      await sleep(1.7 * TIMES.leaseMs * Math.random());
      round.finish();
      await sleep(TIMES.leaseMs * Math.random());
      await database.restore();
      await round.untilEnded(SLACK_MS);
      return 'COMPLETE';
    });
  });
});

describe.runIf(canRun && canStartPostgres)('several servers on a PostgreSQL of their own', () => {
  test('a PostgreSQL that crashes and recovers interrupts nothing', {
    timeout: 60_000 + ROUNDS * 90_000,
  }, async () => {
    const ends: (() => void)[] = [];
    await using postgres = await startPostgres();
    await using fleet = await startProcessFleet({
      factor: FACTOR,
      paceMs: PACE_MS,
      databaseUrl: postgres.url,
      whenOver: (end) => ends.push(end),
    });
    await using records = await recordWrites(postgres.url);
    await rounds(
      () => ({ fleet, records }),
      'PostgreSQL crashes',
      async (round) => {
        await postgres.crash();
        await round.untilMoreText(SLACK_MS);
        return await finished(round);
      },
    );
    for (const end of ends) end();
  });
});

/** What goes wrong in a round. Returns how its answers must have ended. */
type Fail = (round: FailureRound) => Promise<'INTERRUPTED' | 'COMPLETE' | 'any'>;

async function rounds(
  place: () => { fleet: ProcessFleet; records: WriteRecords },
  title: string,
  fail: Fail,
): Promise<void> {
  const { fleet, records } = place();
  const figures: Figures = newFigures();
  try {
    for (let count = 1; count <= ROUNDS; count++) {
      const owner = fleet.servers[count % fleet.servers.length] as FleetProcess;
      await using round = await startRound(fleet, owner, figures);
      await sleep(Math.random() * LONGEST_WAIT_MS); // the moment is what chance shall decide
      figures.withText += round.watches.some(({ held }) => held.text !== '') ? 1 : 0;
      if (Math.random() < 0.3) round.drop();
      const expected = await fail(round);
      const problems = await round.problems(records);
      expect(problems, `${title}, round ${count}`).toEqual([]);
      const others = [...figures.statuses.keys()].filter((status) => status !== expected);
      if (expected !== 'any') expect(others, `${title}, round ${count}`).toEqual([]);
      expect(Math.max(0, ...figures.lostMs)).toBeLessThan(MAY_BE_LOST_MS);
    }
  } finally {
    sayFigures(`${title}, 1:${FACTOR}`, figures);
  }
}

async function finished(round: FailureRound): Promise<'COMPLETE'> {
  round.finish();
  await round.untilEnded(SLACK_MS);
  return 'COMPLETE';
}

/** Whether another server has ended the lease under which the answers of the round were written. */
async function hasLostAnswers({ watches }: FailureRound, { sql }: WriteRecords): Promise<boolean> {
  const rows = await sql`
    select from messages left join servers on servers.id = writer_id
    where messages.id = any(${watches.map(({ answerId }) => answerId)}::text[])
      and (status <> 'WRITING' or servers.id is null or ended_at is not null)`;
  return rows.length > 0;
}

function serversOf(
  round: FailureRound,
  whom: 'all servers' | 'the owner' | 'another server',
): FleetProcess[] {
  if (whom === 'all servers') return [round.owner, ...round.others];
  return whom === 'the owner' ? [round.owner] : round.others.slice(0, 1);
}

const LONGEST_WAIT_MS = 1_500;
