import { dearest, P50, type Rounds, ratioToBaseline } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { BASELINE, LATCHKEY } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** How long it takes from asking to the first token, for several starts at once. */
export const firstToken: Scenario = {
  name: 'first-token',
  about:
    'From asking to the first token, so many starts at once. Sockets are open and threads made before. With Latchkey a start ' +
    'is sendMessage, then answerEvents. The ratio that counts is that of p50.',
  isPinned: false,
  async measure(stage) {
    const modes = STARTS.map(({ atOnce, inAll }) => modeOf(stage, atOnce, inAll));
    return withAddedMs(await measureInRounds(stage, stage.options.rounds, modes));
  },
  verdict(rounds) {
    const worst = dearest(
      rounds,
      ({ server, mode }) => server === LATCHKEY && mode === nameOf(MOST),
      (row) => ratioToBaseline(rounds, row, P50),
    );
    return worst && `first-token ${worst.value.toFixed(1)} x raw-ws`;
  },
};

/** So many at once, and so many in all, which are as many answers that wait for their second token. */
const STARTS = [
  { atOnce: 1, inAll: 20 },
  { atOnce: 10, inAll: 40 },
  { atOnce: 100, inAll: 100 },
];
const MOST = 100;

function nameOf(atOnce: number): string {
  return `${atOnce} at once`;
}

function modeOf({ clients, provider }: Stage, atOnce: number, inAll: number): Mode {
  return {
    name: nameOf(atOnce),
    takes: () => true,
    async measure(contender) {
      const run = runOf({ streams: inAll, tokens: 1 });
      await clients.call('open', {
        target: contender.target,
        run,
        following: { by: 'asker', subscription: 'answer-events', models: 1 },
      });
      const meter = startMeter(contender);
      const { firstMs } = await clients.call('start', { atOnce });
      const { cpu, databaseCpu, writes } = meter();
      const ended = clients.call('end', {});
      await provider.call('finish', { run: run.id });
      await ended;
      return {
        per: 'start',
        cpu: cpu / inAll,
        databaseCpu: databaseCpu && databaseCpu / inAll,
        writes: writes / inAll,
        latenciesMs: firstMs,
      };
    },
  };
}

/** Adds what one start alone takes longer than with a bare socket, since a ratio to a fraction of a millisecond says little. */
function withAddedMs(rounds: Rounds): Rounds {
  return rounds.map((round) => {
    const baseline = round.find(({ server, mode }) => server === BASELINE && mode === nameOf(1));
    const baseMs = baseline && P50(baseline);
    return round.map((measurement) => {
      const ownMs = P50(measurement);
      if (measurement.mode !== nameOf(1) || ownMs === undefined || baseMs === undefined) return measurement;
      return { ...measurement, more: { [`ms more than ${BASELINE}`]: ownMs - baseMs } };
    });
  });
}
