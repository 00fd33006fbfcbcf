import { setTimeout as sleep } from 'node:timers/promises';
import { Cleanup } from '../cleanup.ts';
import type { ClientCalls } from '../clients/clients.ts';
import type { IdleSubscription } from '../clients/idle-followers.ts';
import { inGroups } from '../in-groups.ts';
import { dearest, type Measurement, measurementsOf, type Rounds } from '../measurement.ts';
import { type Helper, startHelper } from '../process/helper.ts';
import { type Memory, memoryOf } from '../process/memory.ts';
import { startMeter } from '../process/meter.ts';
import type { Scenario } from '../scenario.ts';
import { BASELINE, type Contender, LATCHKEY, startLatchkeys, startPlain } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** What a follower costs to whom nothing happens. */
export const idle: Scenario = {
  name: 'idle',
  about:
    '2,000 followers on sockets of their own to whom nothing happens: of an answer whose model is ' +
    'silent, of a thread, of a workspace. Each kind has a new server, and all of them wait at the same time. Memory is the ' +
    'resident memory that came with the followers, after their garbage was collected.',
  isPinned: false,
  async measure(stage) {
    const cleanup = new Cleanup();
    try {
      return [withRatios(await measureAll(stage, cleanup))];
    } finally {
      await cleanup.run();
    }
  },
  verdict(rounds) {
    const worst = dearest(
      rounds,
      ({ server }) => server === LATCHKEY,
      (row) => measurementsOf(rounds, row)[0]?.more?.[KIBIBYTES],
    );
    return worst && `idle ${worst.value.toFixed(0)} KiB`;
  },
};

const COUNT = 2_000;
const QUICK_COUNT = 500;
const WARM_UP_COUNT = 50; // what the first followers bring into being stays for all of them
const PEOPLE = 5; // no more than their subscriptions need, which are limited for each
const SUBSCRIPTIONS: IdleSubscription[] = ['answerEvents', 'threadEvents', 'workspaceEvents'];
const KIBIBYTES = 'KiB RSS';

interface Subject {
  contender: Contender;
  clients: Helper<ClientCalls>;
  mode: string;
  subscription: IdleSubscription;
}

async function measureAll(stage: Stage, cleanup: Cleanup): Promise<Measurement[]> {
  const setting = stage.setting(cleanup);
  const subjects: Subject[] = [];
  const add = (contender: Contender, subscription: IdleSubscription, mode: string) => {
    const clients = startHelper<ClientCalls>('../clients/clients.ts');
    cleanup.add(clients.stop);
    subjects.push({ contender, clients, mode, subscription });
  };
  stage.say('  starting servers for each subscription');
  add(await startPlain(setting, 'raw-ws'), 'answerEvents', 'bare sockets');
  for (const subscription of SUBSCRIPTIONS)
    for (const contender of await startLatchkeys(setting, PEOPLE)) add(contender, subscription, subscription);

  stage.say('  connecting');
  const count = stage.options.isQuick ? QUICK_COUNT : COUNT;
  const before = await inGroups(subjects, CONNECTED_AT_ONCE, (subject) => connect(subject, count));
  const waitMs = stage.options.isQuick ? 20_000 : 60_000;
  stage.say(`  waiting ${waitMs / 1_000} s`);
  const meters = subjects.map(({ contender }) => startMeter(contender));
  await sleep(waitMs);
  const spent = meters.map((meter) => meter());
  const after = await Promise.all(subjects.map(({ contender }) => memoryOf(contender)));
  await stage.provider.call('finishAll', {});
  const lost = await Promise.all(subjects.map(({ clients }) => clients.call('letGo', {})));
  return subjects.map(({ contender: { server, engine }, mode }, index) => ({
    server,
    engine,
    mode,
    baseline: 'bare sockets',
    per: `follower in ${waitMs / 1_000} s`,
    cpu: (spent[index]?.cpu ?? Number.NaN) / count,
    databaseCpu: spent[index]?.databaseCpu && spent[index].databaseCpu / count,
    writes: (spent[index]?.writes ?? Number.NaN) / count,
    more: {
      [KIBIBYTES]: growth(before, after, index, 'resident') / count,
      'KiB heap': growth(before, after, index, 'heap') / count,
      ...(lost[index] !== 0 && { 'followers lost': lost[index] ?? 0 }),
    },
  }));
}

/** Connects the followers. Resolves with the memory before, when some had come and gone. */
async function connect({ contender, clients, subscription }: Subject, count: number): Promise<Memory> {
  const { target } = contender;
  await clients.call('hold', { target, subscription, count: WARM_UP_COUNT }, CONNECT_MS);
  await clients.call('letGo', {});
  const memory = await memoryOf(contender);
  await clients.call('hold', { target, subscription, count }, CONNECT_MS);
  return memory;
}

const CONNECTED_AT_ONCE = 2; // servers; each follower costs a few statements
const CONNECT_MS = 300_000;

function growth(
  before: readonly Memory[],
  after: readonly Memory[],
  index: number,
  kind: keyof Memory,
): number {
  return (after[index]?.[kind] ?? Number.NaN) - (before[index]?.[kind] ?? Number.NaN);
}

function withRatios(measured: readonly Measurement[]): Rounds[number] {
  const base = measured.find(({ server }) => server === BASELINE)?.more?.[KIBIBYTES];
  return measured.map((one) => {
    const kibibytes = one.more?.[KIBIBYTES];
    if (base === undefined || kibibytes === undefined) return one;
    return { ...one, more: { ...one.more, [`× ${BASELINE}`]: kibibytes / base } };
  });
}
