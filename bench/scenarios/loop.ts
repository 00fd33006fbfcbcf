import { Cleanup } from '../cleanup.ts';
import type { LatchkeyTarget } from '../clients/target.ts';
import type { Measurement } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { quantile } from '../quantile.ts';
import { runOf } from '../run.ts';
import type { Scenario } from '../scenario.ts';
import { type Contender, startSeeded } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** Whether people who read long lists stall what others do. */
export const loop: Scenario = {
  name: 'loop',
  about:
    '100 answers stream, and another person asks for next to nothing, `{ viewer { id } }`, fifty times a second: how long that ' +
    'takes, and how long a token takes from the provider to its client. Alone, and while 20 people each read a page of a ' +
    'list of 20,000 threads every second.',
  isPinned: false,
  async measure(stage) {
    const cleanup = new Cleanup();
    try {
      const measured: Measurement[] = [];
      stage.say('  filling workspaces');
      for (const contender of await startSeeded(stage.setting(cleanup), THREADS))
        for (const isBrowsed of [false, true]) {
          const mode = isBrowsed ? `while ${BROWSERS} people read lists` : 'no lists are read';
          stage.say(`  ${mode}, ${contender.server} ${contender.engine}`);
          const { server, engine } = contender;
          const result = await stage.attempt(mode, () => measureOnce(stage, contender, isBrowsed));
          if (result !== undefined) measured.push({ server, engine, mode, ...result });
        }
      return [measured];
    } finally {
      await cleanup.run();
    }
  },
};

const THREADS = 20_000;
const BROWSERS = 20;
const LIST_EVERY_MS = 1_000;
const LIGHT_EVERY_MS = 20;

async function measureOnce(
  { options, provider, clients }: Stage,
  contender: Contender<LatchkeyTarget>,
  isBrowsed: boolean,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const { target } = contender;
  const run = runOf({ streams: 100, tokens: options.isQuick ? 150 : 300, paceMs: 20 });
  await clients.call('open', {
    target,
    run,
    following: { by: 'asker', subscription: 'answer-events', models: 1 },
  });
  await clients.call('start', { atOnce: 10 });
  await clients.call('beginLight', { target, everyMs: LIGHT_EVERY_MS });
  if (isBrowsed) await clients.call('beginLists', { target, people: BROWSERS, everyMs: LIST_EVERY_MS });
  const meter = startMeter(contender);
  const whole = clients.call('reach', { tokens: run.tokens }, 180_000);
  await provider.call('flow', { run: run.id });
  await whole;
  const { cpu, databaseCpu, writes } = meter();
  const lightMs = await clients.call('endLight', {});
  const listsMs = isBrowsed ? await clients.call('endLists', {}) : [];
  const delaysMs = await clients.call('delaysMs', {
    sentAtMs: await provider.call('sentAtMs', { run: run.id }),
  });
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  const tokens = run.streams * (run.tokens - 1);
  return {
    per: 'token',
    cpu: cpu / tokens,
    databaseCpu: databaseCpu && databaseCpu / tokens,
    writes: writes / tokens,
    latenciesMs: lightMs,
    more: {
      'ms a token p50': quantile(delaysMs, 0.5),
      'ms a token p99': quantile(delaysMs, 0.99),
      ...(isBrowsed && { lists: listsMs.length, 'ms a list p50': quantile(listsMs, 0.5) }),
    },
  };
}
