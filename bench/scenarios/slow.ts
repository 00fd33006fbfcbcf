import type { Measurement } from '../measurement.ts';
import { memoryOf } from '../process/memory.ts';
import { startMeter } from '../process/meter.ts';
import { runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { type Contender, isLatchkey, isRawSocket } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** A watcher that stops to read must not cost the others anything. */
export const slow: Scenario = {
  name: 'slow',
  about:
    `One answer of several mebibytes streams to ${50} watchers, of whom one stops to read, or none. Milliseconds are from ` +
    'the provider sending a token until a watcher has it, of those who read. The one who had stopped then reads on, and ' +
    'has to get the whole text.',
  isPinned: true,
  measure: (stage) =>
    measureInRounds(stage, 1, [modeOf(stage, false), modeOf(stage, true)], { warmsUp: false }),
};

const WATCHERS = 50;
const TOKEN_LENGTH = 16_384; // much more in all than the kernel buffers for a socket
const PACE_MS = 16;

function modeOf(stage: Stage, isOneSlow: boolean): Mode {
  return {
    name: isOneSlow ? `${WATCHERS - 1} watchers and one that stops` : `${WATCHERS} watchers`,
    takes: (contender) => isLatchkey(contender) || isRawSocket(contender),
    measure: (contender) => measureOnce(stage, contender, isOneSlow),
  };
}

async function measureOnce(
  { options, provider, clients }: Stage,
  contender: Contender,
  isOneSlow: boolean,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const run = runOf({ tokens: options.isQuick ? 100 : 300, paceMs: PACE_MS, tokenLength: TOKEN_LENGTH });
  await clients.call('open', {
    target: contender.target,
    run,
    following: { by: 'watchers', subscription: 'answer-events', watchers: WATCHERS },
  });
  await clients.call('start', { atOnce: 1 });
  if (isOneSlow) await clients.call('stall', {});
  const before = await memoryOf(contender);
  const meter = startMeter(contender);
  const whole = clients.call('reach', { tokens: run.tokens }, 180_000);
  await provider.call('flow', { run: run.id });
  await whole;
  const { cpu, databaseCpu, writes } = meter();
  const after = await memoryOf(contender);
  const sentAtMs = await provider.call('sentAtMs', { run: run.id });
  const delaysMs = await clients.call('delaysMs', { sentAtMs });
  const { frames } = await clients.call('unstall', { tokens: run.tokens });
  // The end would bring the whole text once more to each of them, which is another question.
  await clients.call('close', {});
  await provider.call('finish', { run: run.id });
  const tokens = (WATCHERS - (isOneSlow ? 1 : 0)) * (run.tokens - 1);
  return {
    per: 'token',
    cpu: cpu / tokens,
    databaseCpu: databaseCpu && databaseCpu / tokens,
    writes: writes / tokens,
    latenciesMs: delaysMs,
    more: {
      'MiB more RSS': (after.resident - before.resident) / 1_024,
      ...(isOneSlow && { 'frames for the slow one': frames }),
    },
  };
}
