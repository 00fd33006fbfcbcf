import { setTimeout as sleep } from 'node:timers/promises';
import { Cleanup } from '../cleanup.ts';
import type { Measurement } from '../measurement.ts';
import { startHelper } from '../process/helper.ts';
import { startMeter } from '../process/meter.ts';
import { monotonicMs } from '../process/monotonic.ts';
import { quantile } from '../quantile.ts';
import { runOf } from '../run.ts';
import type { BalancerCalls } from '../servers/balancer.ts';
import { LATCHKEY } from '../servers/contenders.ts';
import { type Fleet, startFleet } from '../servers/fleet.ts';
import { countInterrupted } from '../servers/postgres.ts';
import { startRedis } from '../servers/redis.ts';
import type { Stage } from '../stage.ts';

/** Two servers are stopped and started in turn while people follow answers. Undefined without PostgreSQL or Redis. */
export async function measureRestart(stage: Stage): Promise<Measurement[] | undefined> {
  const cleanup = new Cleanup();
  try {
    const redis = await startRedis(cleanup);
    if (redis === undefined) return undefined;
    stage.say('  restart, starting the servers');
    const pair = await startFleet(stage.setting(cleanup), redis, { people: PEOPLE, settings: SETTINGS });
    if (pair === undefined) return undefined;
    await pair.start();
    const balancer = startHelper<BalancerCalls>('../servers/balancer.ts');
    cleanup.add(balancer.stop);
    const letBalance = () => balancer.call('setServers', { urls: pair.servers.map(({ url }) => url) });
    await letBalance();
    const count = stage.options.isQuick ? 400 : 2_000;
    stage.say(`  restart, connecting ${count} clients`);
    const target = { ...pair.target, url: await balancer.call('url', {}) };
    await stage.clients.call('openRoaming', { target, count }, CONNECT_MS);
    const measured: Measurement[] = [];
    for (const number of [0, 1]) {
      const mode = `restart, the ${number === 0 ? 'first' : 'second'} of two`;
      stage.say(`  ${mode}`);
      const result = await stage.attempt(mode, () => restart(stage, pair, number));
      if (result === undefined) break;
      measured.push({ server: LATCHKEY, engine: 'PostgreSQL, Redis', mode, ...result });
      await pair.start(number);
      await letBalance();
    }
    await stage.clients.call('closeRoaming', {});
    return measured;
  } finally {
    await cleanup.run();
  }
}

const PEOPLE = 50; // so that as many clients as connect are fewer than the sockets that a person may have
const SETTINGS = { LATCHKEY_DRAIN_SECONDS: '120', LATCHKEY_MAX_SOCKETS_PER_PERSON: '50' };
const CONNECT_MS = 300_000;
const ANSWERS = 40;
const SETTLED_MS = 1_000;
const BEFORE_SIGNAL_MS = 5_000;
const MOVED_WITHIN_MS = 25_000; // by so many clients

async function restart(
  { options, provider, clients }: Stage,
  { servers, database, databaseUrl }: Fleet,
  number: number,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const run = runOf({ streams: ANSWERS, tokens: options.isQuick ? 60 : 80, paceMs: 500 });
  const urls = servers.map(({ url }) => url);
  const [stopped, other] = [servers[number], servers[1 - number]];
  if (stopped === undefined || other === undefined) throw new Error('there are not two servers');
  await clients.call('roam', { run, urls }, CONNECT_MS);
  const flowing = clients.call('roamed', {}, 90_000 + 3 * run.tokens * run.paceMs);
  await provider.call('flow', { run: run.id });
  await sleep(SETTLED_MS);
  await clients.call('beginCount', {});
  await sleep(BEFORE_SIGNAL_MS);
  const beforeMs = await clients.call('beginCount', {});
  const meter = startMeter({ pid: other.pid, database });
  const signalledAtMs = monotonicMs();
  let exitedAtMs = Number.NaN;
  const exited = stopped.stop().then(() => {
    exitedAtMs = monotonicMs();
  });
  await sleep(options.isQuick ? 10_000 : MOVED_WITHIN_MS);
  const { cpu, databaseCpu, writes } = meter();
  await flowing;
  const finishedAtMs = monotonicMs();
  await provider.call('finish', { run: run.id });
  const { wrong, backAtMs, reconnects, codes, silencesMs } = await clients.call('endRoam', {});
  await exited;
  const moved = backAtMs.length;
  return {
    per: 'client that moved',
    cpu: cpu / moved,
    databaseCpu: databaseCpu && databaseCpu / moved,
    writes: writes / moved,
    latenciesMs: backAtMs.map((atMs) => atMs - signalledAtMs),
    more: {
      'clients moved': moved,
      reconnects,
      ...codes,
      'ms until the last was back': Math.max(...backAtMs) - signalledAtMs,
      'ms without text p99 before': quantile(beforeMs, 0.99),
      'ms without text p50': quantile(silencesMs, 0.5),
      'ms without text p99': quantile(silencesMs, 0.99),
      'ms without text at most': Math.max(...silencesMs),
      'answers INTERRUPTED': await countInterrupted(databaseUrl),
      'clients with another text than the stored one': wrong,
      'ms from the last answer until it had stopped': exitedAtMs - finishedAtMs,
    },
  };
}
