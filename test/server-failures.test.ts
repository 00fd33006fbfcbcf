import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from './kit/eventually.ts';
import { type FailureRound, newFigures, sayFigures, startRound } from './kit/failure-round.ts';
import { faster } from './kit/faster.ts';
import { canStartPostgres, startPostgres } from './kit/own-postgres.ts';
import { type FleetProcess, type ProcessFleet, startProcessFleet } from './kit/process-fleet.ts';
import { canStartRedis } from './kit/redis.ts';
import { recordWrites, type WriteRecords } from './kit/write-records.ts';

/**
 * Three servers, each a process of its own, of which one writes answers while people at the others watch them. Whatever then
 * dies, pauses or is cut off: every watcher in the end holds what is stored, each answer ends once, and nothing is written to it
 * afterwards. With LATCHKEY_TEST_ROUNDS everything that can go wrong does, so many times, else the most likely once.
 * LATCHKEY_TEST_FACTOR=1 keeps the true times of a fleet, which are ten times as long.
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
const isLong = process.env.LATCHKEY_TEST_ROUNDS !== undefined;
const timeout = 60_000 + ROUNDS * 90_000;

/** Where the rounds take place. */
interface Place {
  fleet: ProcessFleet;
  records: WriteRecords;
}

/** Something that goes wrong in each round of a test. */
interface Failure {
  /** For what is printed. */
  name: string;
  /** Whether it is tried in every run of the tests. */
  isLikely?: true;
  /** Lets it go wrong and waits until all has ended. Returns how the answers must have ended. */
  fail(round: FailureRound, place: Place): Promise<Expected>;
}

type Expected = 'INTERRUPTED' | 'COMPLETE' | 'either';

/** By the promise that the test is about. */
const FAILURES: Record<string, Failure> = {
  'the answers of a server that is killed are interrupted': {
    name: 'kill -9 of the writer',
    isLikely: true,
    async fail(round) {
      await round.writer.kill();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await round.writer.restart();
      return 'INTERRUPTED';
    },
  },
  'a server that is killed while it may be taking over leaves that to the third': {
    name: 'kill -9 of the writer and then of another',
    async fail(round) {
      await round.writer.kill();
      round.breaks();
      await sleep(TIMES.leaseMs + (DEAD_AFTER_MS - TIMES.leaseMs) * Math.random());
      await Promise.all([round.writer.restart(), round.others[0]?.restart()]);
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      return 'INTERRUPTED';
    },
  },
  'the answers of a server that is paused for a shorter time than its lease go on': {
    name: 'SIGSTOP of the writer for half a lease',
    async fail(round, place) {
      await pause(round, place, () => sleep(TIMES.leaseMs / 2));
      return 'COMPLETE';
    },
  },
  'the answers of a server that is paused for about as long as others are patient are ended by it or by others':
    {
      name: 'SIGSTOP of the writer for about as long as others are patient',
      async fail(round, place) {
        const atLeastMs = TIMES.leaseMs + TIMES.patienceMs;
        await pause(round, place, () => sleep(atLeastMs + 2 * TIMES.lookForDeadMs * Math.random()));
        return 'either';
      },
    },
  'a server that is paused until others have taken it for dead writes nothing to its answers any more': {
    name: 'SIGSTOP of the writer until it was taken for dead',
    isLikely: true,
    async fail(round, place) {
      await pause(round, place, () => untilLost(round, place));
      return 'INTERRUPTED';
    },
  },
  'the answers that a server was about to begin when it was paused end too': {
    name: 'SIGSTOP of the writer while it begins answers',
    async fail(round, place) {
      const sends = round.sendBriefly(8);
      await sleep(20 * Math.random());
      round.writer.process.kill('SIGSTOP');
      round.breaks();
      await untilLost(round, place);
      round.writer.process.kill('SIGCONT');
      await sends;
      await round.untilEnded(SLACK_MS);
      const isNoneWritten = async () =>
        (await place.records.sql`select from messages where status = 'WRITING'`).length === 0;
      await eventually('no answer is being written', isNoneWritten, SLACK_MS);
      return 'INTERRUPTED';
    },
  },
  'a Redis that is killed and started again interrupts nothing': {
    name: 'kill -9 of Redis',
    isLikely: true,
    async fail(round, { fleet }) {
      await fleet.redis.kill();
      await round.untilMoreText(SLACK_MS);
      await sleep(Math.random() * TIMES.leaseMs);
      await fleet.restartRedis();
      return await goOn(round);
    },
  },
  'a Redis that is flushed and drops all its clients interrupts nothing': {
    name: 'FLUSHALL and CLIENT KILL',
    async fail(round, { fleet }) {
      const client = createClient({ url: fleet.redis.url, RESP: 2 });
      await client.connect();
      await client.flushAll();
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await round.untilMoreText(SLACK_MS);
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal']);
      client.destroy();
      return await goOn(round);
    },
  },
  'a network to Redis that fails for all servers interrupts nothing': {
    name: 'no network from all servers to Redis',
    fail: async (round) => await loseRedis(round, [round.writer, ...round.others]),
  },
  'a network to Redis that fails for the writer of answers interrupts nothing': {
    name: 'no network from the writer to Redis',
    fail: async (round) => await loseRedis(round, [round.writer]),
  },
  'a network to Redis that fails for a server with watchers interrupts nothing': {
    name: 'no network from another server to Redis',
    fail: async (round) => await loseRedis(round, round.others.slice(1)),
  },
  'the answers of a server that is killed while Redis is away are interrupted': {
    name: 'kill -9 of the writer while Redis is away',
    async fail(round, { fleet }) {
      await fleet.redis.kill();
      await round.writer.kill();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await fleet.restartRedis();
      await round.writer.restart();
      return 'INTERRUPTED';
    },
  },
  'a database that ends all sessions and refuses new ones for a while interrupts nothing': {
    name: 'PostgreSQL ends all sessions and refuses new ones',
    async fail(round, { fleet, records }) {
      await Promise.all(fleet.servers.map(({ database }) => database.cut()));
      await sleep(Math.random() * 1.7 * TIMES.leaseMs);
      await Promise.all(fleet.servers.map(({ database }) => database.restore()));
      await records.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.catch(() => {});
      return await goOn(round);
    },
  },
  'a database that is away for longer than a lease, for all servers, interrupts nothing': {
    name: 'no network from all servers to PostgreSQL',
    isLikely: true,
    async fail(round, { fleet }) {
      await round.untilMoreText(SLACK_MS); // who begins to follow needs the database
      for (const { database } of fleet.servers) database.silence();
      if (FACTOR === 1) await round.untilMoreText(SLACK_MS); // else a busy machine looks like a bus that is silent
      await sleep(1.7 * TIMES.leaseMs);
      await Promise.all(fleet.servers.map(({ database }) => database.restore()));
      return await goOn(round);
    },
  },
  'the answers of a server that alone loses the database are interrupted, and it goes on afterwards': {
    name: 'no network from the writer to PostgreSQL',
    isLikely: true,
    async fail(round, { records }) {
      round.writer.database.silence();
      round.breaks();
      await round.untilEnded(DEAD_AFTER_MS + SLACK_MS);
      await sleep(Math.random() * TIMES.leaseMs);
      await round.writer.database.restore();
      await round.untilProviderLeft(SLACK_MS);
      await eventually('the writer has a lease', () => records.hasLease(round.writer.name), SLACK_MS);
      return 'INTERRUPTED';
    },
  },
  'the watchers at a server that alone loses the database hear the end once it has it again': {
    name: 'no network from another server to PostgreSQL',
    async fail(round) {
      const { database } = round.others[0] as FleetProcess;
      await round.untilMoreText(SLACK_MS);
      database.silence();
      if (FACTOR === 1) await round.untilMoreText(SLACK_MS);
      await sleep(1.7 * TIMES.leaseMs * Math.random());
      round.finish();
      await sleep(TIMES.leaseMs * Math.random());
      await database.restore();
      await round.untilEnded(SLACK_MS);
      return 'COMPLETE';
    },
  },
};

const chosen = Object.entries(FAILURES).filter(([, { isLikely }]) => isLong || isLikely);

describe.runIf(canRun)('several servers', { timeout }, () => {
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

  test.for(chosen)('%s', async ([, failure]) => await goThrough(failure, { fleet, records }));
});

describe.runIf(canRun && canStartPostgres && isLong)('several servers on a PostgreSQL of their own', () => {
  test('a PostgreSQL that crashes and recovers interrupts nothing', { timeout }, async () => {
    await using postgres = await startPostgres();
    await using fleet = await startProcessFleet({
      factor: FACTOR,
      paceMs: PACE_MS,
      databaseUrl: postgres.url,
      whenOver: onTestFinished,
    });
    await using records = await recordWrites(postgres.url);
    const fail = async (round: FailureRound) => {
      await postgres.crash();
      return await goOn(round);
    };
    await goThrough({ name: 'PostgreSQL crashes', fail }, { fleet, records });
  });
});

async function goThrough({ name, fail }: Failure, { fleet, records }: Place): Promise<void> {
  const figures = newFigures();
  try {
    for (let count = 1; count <= ROUNDS; count++) {
      const writer = fleet.servers[count % fleet.servers.length] as FleetProcess;
      await using round = await startRound(fleet, writer, figures);
      await sleep(Math.random() * LONGEST_WAIT_MS); // the moment is what chance shall decide
      figures.withText += round.watches.some(({ held }) => held.text !== '') ? 1 : 0;
      if (Math.random() < 0.3) round.drop();
      const expected = await fail(round, { fleet, records });
      const { problems, statuses } = await round.look(records);
      expect(problems, `${name}, round ${count}`).toEqual([]);
      if (expected !== 'either') expect(statuses, `${name}, round ${count}`).toEqual([expected]);
      expect(Math.max(0, ...figures.lostMs)).toBeLessThan(MAY_BE_LOST_MS);
    }
  } finally {
    sayFigures(`${name}, 1:${FACTOR}`, figures);
  }
}

/** Pauses the writer for as long as `wait` takes. Its provider may end the answers meanwhile. */
async function pause(round: FailureRound, { records }: Place, wait: () => Promise<void>): Promise<void> {
  const isFinished = Math.random() < 0.5;
  round.writer.process.kill('SIGSTOP');
  round.breaks();
  if (isFinished) round.finish();
  await wait();
  round.writer.process.kill('SIGCONT');
  await eventually('the writer has a lease', () => records.hasLease(round.writer.name), SLACK_MS);
  if (!isFinished && !(await hasLostAnswers(round, records))) await goOn(round);
  await round.untilEnded(SLACK_MS);
  await round.untilProviderLeft(SLACK_MS);
}

/** Lets the ways from these servers to Redis swallow everything or refuse connections for a while. */
async function loseRedis(round: FailureRound, servers: readonly FleetProcess[]): Promise<'COMPLETE'> {
  const ways = servers.map(({ redis }) => redis);
  await Promise.all(ways.map((way) => (Math.random() < 0.5 ? way.silence() : way.cut())));
  await round.untilMoreText(SLACK_MS);
  await sleep(Math.random() * TIMES.leaseMs);
  await Promise.all(ways.map((way) => way.restore()));
  return await goOn(round);
}

/** Waits until the answers have grown at every watch, and lets them end. */
async function goOn(round: FailureRound): Promise<'COMPLETE'> {
  await round.untilMoreText(SLACK_MS);
  round.finish();
  await round.untilEnded(SLACK_MS);
  return 'COMPLETE';
}

/** Waits until another server has ended the lease under which the answers of the round were written. */
async function untilLost(round: FailureRound, { records }: Place): Promise<void> {
  await eventually(
    'the writer is taken for dead',
    () => hasLostAnswers(round, records),
    DEAD_AFTER_MS + SLACK_MS,
  );
}

/** Whether another server has done that. */
async function hasLostAnswers({ watches }: FailureRound, { sql }: WriteRecords): Promise<boolean> {
  const rows = await sql`
    select from messages left join servers on servers.id = writer_id
    where messages.id = any(${watches.map(({ answerId }) => answerId)}::text[])
      and (status <> 'WRITING' or servers.id is null or ended_at is not null)`;
  return rows.length > 0;
}

const LONGEST_WAIT_MS = 1_500;
