import type { Measurement, Rounds } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { runOf } from '../run.ts';
import { LATCHKEY } from '../servers/contenders.ts';
import type { Fleet } from '../servers/fleet.ts';
import type { Stage } from '../stage.ts';

/** What it costs that the followers of answers are at another server than the one that writes them. */
export async function measureBus(stage: Stage, lone: Fleet, pair: Fleet): Promise<Rounds> {
  const shapes = shapesOf(stage.options.streams);
  const rounds: Measurement[][] = [];
  const count = Math.ceil(stage.options.rounds / 2);
  for (let round = 0; round <= count; round += 1) {
    stage.say(round === 0 ? '  bus, warming up' : `  bus, round ${round} of ${count}`);
    const measured: Measurement[] = [];
    for (const shape of shapes) {
      const both: Measurement[] = [];
      for (const fleet of round % 2 === 0 ? [lone, pair] : [pair, lone]) {
        const { mode } = shape;
        const { server, engine } = fleet.redis === undefined ? ALONE : TWO;
        const result = await stage.attempt(`${mode}, ${server}`, () => measureOnce(stage, fleet, shape));
        if (result !== undefined) both.push({ server, engine, mode, ...result });
      }
      measured.push(...withExtra(both));
    }
    if (round > 0) rounds.push(measured);
  }
  return rounds;
}

export const BUS_COMMANDS = 'commands a token';
export const EXTRA = 'µs more than one server';

const ALONE = { server: `one ${LATCHKEY}`, engine: 'PostgreSQL' };
const TWO = { server: `two ${LATCHKEY}s`, engine: 'PostgreSQL, Redis' };

interface Shape {
  mode: string;
  /** Of each answer. */
  watchers: number[];
}

/**
 * The same answers in each, so that the bus carries the same: of 100 answers with 100 watchers each, two cores would measure their
 * clients.
 */
function shapesOf(answers: number): Shape[] {
  const many = [1, 10, 100].map((most) => {
    const popular = most === 1 ? 0 : 100 / most;
    return {
      mode: `${answers} answers, ${most} watcher${most === 1 ? '' : 's'}`,
      watchers: Array.from({ length: answers }, (_, stream) => (stream < popular ? most : 1)),
    };
  });
  return [...many, { mode: 'one answer, 10 watchers', watchers: [10] }];
}

async function measureOnce(
  { options, provider, clients }: Stage,
  { servers, redis, database, target }: Fleet,
  { watchers }: Shape,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const { tokens, paceMs } = options;
  const run = runOf({ streams: watchers.length, tokens, paceMs });
  const [writer, follower = writer] = servers;
  if (writer === undefined || follower === undefined) throw new Error('there is no server');
  await clients.call('open', {
    target,
    run,
    following: { by: 'watchers', subscription: 'answer-events', watchers },
    places: { askAt: [writer.url], watchAt: [follower.url] },
  });
  const before = await clients.call('start', { atOnce: STARTED_AT_ONCE });
  const processes = [writer, ...(follower === writer ? [] : [follower]), ...(redis ? [redis] : [])];
  const count = await redis?.startCount();
  const meters = processes.map(({ pid }) => startMeter({ pid }));
  const databaseMeter = startMeter({ pid: writer.pid, database });
  const whole = clients.call('reach', { tokens }, 90_000 + 3 * tokens * paceMs);
  await provider.call('flow', { run: run.id });
  const { frames } = await whole;
  const spent = meters.map((meter) => meter());
  const { databaseCpu } = databaseMeter();
  const counted = await count?.();
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  const written = run.streams * (tokens - 1); // the first of each came before
  const given = watchers.reduce((sum, each) => sum + each, 0) * (tokens - 1);
  const cpus = spent.map(({ cpu }) => cpu / written);
  return {
    per: 'token',
    cpu: cpus.reduce((sum, cpu) => sum + cpu, 0),
    databaseCpu: databaseCpu && databaseCpu / written,
    writes: spent.reduce((sum, { writes }) => sum + writes, 0) / written,
    more: {
      'tokens a frame': given / (frames - before.frames),
      ...(counted && {
        [BUS_COMMANDS]: counted.commands / written,
        'PUBLISH a token': counted.publishes / written,
        'PUBLISH with text a token': counted.publishesWithText / written,
        'µs writer': cpus[0] ?? Number.NaN,
        'µs follower': cpus[1] ?? Number.NaN,
        'µs Redis': cpus[2] ?? Number.NaN,
      }),
    },
  };
}

const STARTED_AT_ONCE = 20;

/** Adds to the measurement of two servers what it is above that of one. In the order of the table. */
function withExtra(both: readonly Measurement[]): Measurement[] {
  const alone = both.find(({ server }) => server === ALONE.server);
  const two = both.find(({ server }) => server === TWO.server);
  if (alone?.cpu === undefined || two?.cpu === undefined) return [...both];
  return [alone, { ...two, more: { ...two.more, [EXTRA]: two.cpu - alone.cpu } }];
}
