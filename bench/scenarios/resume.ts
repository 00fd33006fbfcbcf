import type { Measurement } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { type Contender, isLatchkey, isRawSocket } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** Watchers lose their connections, come back, and go on where they were. */
export const resume: Scenario = {
  name: 'resume',
  about:
    '200 watchers of one answer lose their connections at random offsets and come back, all at once, while the answer ' +
    'waits: a socket, a session and answerEvents with the offset, until each has the text so far. Then the rest streams.',
  isPinned: true,
  measure: (stage) => measureInRounds(stage, Math.ceil(stage.options.rounds / 2), [modeOf(stage)]),
};

const WATCHERS = 200;

function modeOf(stage: Stage): Mode {
  return {
    name: `${WATCHERS} come back`,
    takes: (contender) => isLatchkey(contender) || isRawSocket(contender),
    measure: (contender) => measureOnce(stage, contender),
  };
}

async function measureOnce(
  { provider, clients }: Stage,
  contender: Contender,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const run = runOf({ tokens: 400, paceMs: 8 });
  const pauseAt = 300;
  await clients.call('open', {
    target: contender.target,
    run,
    following: { by: 'watchers', subscription: 'answer-events', watchers: WATCHERS },
  });
  await clients.call('start', { atOnce: 1 });
  const dropped = clients.call('drop', { beforeTokens: pauseAt });
  await provider.call('flow', { run: run.id, upTo: pauseAt });
  await dropped;
  const meter = startMeter(contender);
  const { resumeMs, frames } = await clients.call('resume', { tokens: pauseAt });
  const { cpu, databaseCpu, writes } = meter();
  const whole = clients.call('reach', { tokens: run.tokens });
  await provider.call('flow', { run: run.id });
  await whole;
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  return {
    per: 'resume',
    cpu: cpu / WATCHERS,
    databaseCpu: databaseCpu && databaseCpu / WATCHERS,
    writes: writes / WATCHERS,
    latenciesMs: resumeMs,
    more: { 'frames of text': frames / WATCHERS },
  };
}
