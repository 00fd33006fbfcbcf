import type { Measurement, Rounds } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { runOf } from '../run.ts';
import { LATCHKEY } from '../servers/contenders.ts';
import type { Fleet } from '../servers/fleet.ts';
import type { Stage } from '../stage.ts';

/** The same load over one server, two and four. */
export async function measureScale(stage: Stage, lone: Fleet, several: Fleet): Promise<Rounds> {
  const rounds: Measurement[][] = [];
  const count = Math.ceil(stage.options.rounds / 2);
  for (let round = 0; round <= count; round += 1) {
    stage.say(round === 0 ? '  scale, warming up' : `  scale, round ${round} of ${count}`);
    const measured: Measurement[] = [];
    for (const size of SIZES)
      for (const step of size === 1 ? [0] : [0, 1]) {
        const fleet = size === 1 ? lone : several;
        const urls = fleet.servers.slice(0, size).map(({ url }) => url);
        const watchAt = [...urls.slice(step), ...urls.slice(0, step)];
        const mode = size === 1 ? 'one server' : `${size} servers, watched ${PLACES[step]}`;
        const result = await stage.attempt(mode, () =>
          measureOnce(stage, fleet, size, { askAt: urls, watchAt }),
        );
        const engine = size === 1 ? 'PostgreSQL' : 'PostgreSQL, Redis';
        if (result !== undefined) measured.push({ server: LATCHKEY, engine, mode, ...result });
      }
    if (round > 0) rounds.push(measured);
  }
  return rounds;
}

const SIZES = [1, 2, 4];
const PLACES = ['where they are written', 'at the next one'];

async function measureOnce(
  { options, provider, clients }: Stage,
  { servers, database, target }: Fleet,
  size: number,
  places: { askAt: string[]; watchAt: string[] },
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const { streams } = options;
  const tokens = options.tokens * 3; // bursts cost less per token, so it takes more tokens
  const run = runOf({ streams, tokens, paceMs: 0, eventsPerChunk: 8 });
  await clients.call('open', {
    target,
    run,
    following: { by: 'watchers', subscription: 'answer-events', watchers: 1 },
    places,
  });
  const askedAtMs = performance.now();
  const { firstMs } = await clients.call('start', { atOnce: streams });
  const meters = servers.slice(0, size).map(({ pid }) => startMeter({ pid }));
  const databaseMeter = startMeter({ pid: servers[0]?.pid ?? 0, database });
  const flowedAtMs = performance.now();
  const whole = clients.call('reach', { tokens });
  await provider.call('flow', { run: run.id });
  await whole;
  const flowMs = performance.now() - flowedAtMs;
  const spent = meters.map((meter) => meter());
  const { databaseCpu } = databaseMeter();
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  const allMs = performance.now() - askedAtMs;
  const written = streams * (tokens - 1);
  return {
    per: 'token',
    cpu: spent.reduce((sum, { cpu }) => sum + cpu, 0) / written,
    databaseCpu: databaseCpu && databaseCpu / written,
    writes: spent.reduce((sum, { writes }) => sum + writes, 0) / written,
    latenciesMs: firstMs,
    more: { 'tokens/s': (written / flowMs) * 1_000, 'answers/s': (streams / allMs) * 1_000 },
  };
}
