import { setTimeout as sleep } from 'node:timers/promises';
import type { Measurement } from '../measurement.ts';
import { startMeter } from '../process/meter.ts';
import { MODEL, runOf, tokensOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import type { Contender } from '../servers/contenders.ts';
import { readStatistics } from '../servers/postgres.ts';
import type { Stage } from '../stage.ts';

/** What saving answers costs PostgreSQL. */
export const durability: Scenario = {
  name: 'durability',
  about:
    'Answers of 1,000 tokens on PostgreSQL, from sending the question to the saved answer: transactions of the database, and ' +
    'WAL of the whole server, which is that of Latchkey only if nothing else uses it ("transactions elsewhere").',
  isPinned: false,
  async measure(stage) {
    const most = Math.min(stage.options.streams, stage.options.isQuick ? 20 : 100);
    return await measureInRounds(stage, 1, [modeOf(stage, 1), modeOf(stage, most)], { warmsUp: false });
  },
};

const TOKENS = 1_000;
const REPORT_MS = 11_000; // an idle backend of PostgreSQL reports what it did after 10 s

function modeOf(stage: Stage, streams: number): Mode {
  return {
    name: streams === 1 ? 'one answer' : `${streams} answers at once`,
    takes: ({ database }) => database !== undefined,
    measure: (contender) => measureOnce(stage, contender, streams),
  };
}

async function measureOnce(
  { options, provider, clients }: Stage,
  contender: Contender,
  streams: number,
): Promise<Omit<Measurement, 'server' | 'engine' | 'mode'>> {
  const { database = '' } = contender;
  const run = runOf({ streams, tokens: TOKENS, paceMs: options.isQuick ? 5 : 20 });
  await clients.call('open', {
    target: contender.target,
    run,
    following: { by: 'asker', subscription: 'answer-events', models: 1 },
  });
  await sleep(REPORT_MS);
  const before = await readStatistics(database);
  const meter = startMeter(contender);
  await clients.call('start', { atOnce: streams });
  const whole = clients.call('reach', { tokens: TOKENS }, 90_000 + 3 * TOKENS * run.paceMs);
  await provider.call('flow', { run: run.id });
  await whole;
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  const { cpu, databaseCpu, writes } = meter();
  await sleep(REPORT_MS);
  const after = await readStatistics(database);
  const textBytes = Buffer.byteLength(tokensOf({ ...run, stream: 0 }, MODEL).join(''));
  const walBytes = (after.walBytes - before.walBytes) / streams;
  return {
    per: 'answer',
    cpu: cpu / streams,
    databaseCpu: databaseCpu && databaseCpu / streams,
    writes: writes / streams,
    more: {
      transactions: (after.transactions - before.transactions) / streams,
      'KiB WAL': walBytes / 1_024,
      '× text': walBytes / textBytes,
      'transactions elsewhere': after.transactionsElsewhere - before.transactionsElsewhere,
    },
  };
}
