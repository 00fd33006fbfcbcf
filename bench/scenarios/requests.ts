import type { Query } from '../clients/requests.ts';
import type { LatchkeyTarget } from '../clients/target.ts';
import { startMeter } from '../process/meter.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { isLatchkey } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** What reading a page costs. */
export const requests: Scenario = {
  name: 'requests',
  about:
    'A page of 50 messages of a thread, and one of 50 threads of a workspace, over HTTP with connections that stay open and ' +
    'over WebSocket, by one client or by 32 at once.',
  isPinned: false,
  async measure(stage) {
    const threadIds = new Map<string, string>();
    for (const { pid, target } of (await stage.contenders()).filter(isLatchkey))
      threadIds.set(String(pid), await stage.clients.call('fillWorkspace', { target, ...SIZE }));
    const modes = QUERIES.flatMap((query) =>
      (['HTTP', 'WebSocket'] as const).flatMap((over) =>
        LANES.map(({ lanes, count }) => modeOf(stage, threadIds, { query, over, lanes, count })),
      ),
    );
    return await measureInRounds(stage, Math.ceil(stage.options.rounds / 2), modes);
  },
};

const SIZE = { threads: 60, messages: 60 }; // more than a page of each
const QUERIES = ['messages', 'threads'] as const;
const LANES = [
  { lanes: 1, count: 60 },
  { lanes: 32, count: 192 },
];

interface Shape {
  query: (typeof QUERIES)[number];
  over: 'HTTP' | 'WebSocket';
  lanes: number;
  count: number;
}

function modeOf(
  { clients }: Stage,
  threadIds: ReadonlyMap<string, string>,
  { query, over, lanes, count }: Shape,
): Mode {
  return {
    name: `${query}, ${over}, ${lanes === 1 ? 'one client' : `${lanes} clients`}`,
    takes: isLatchkey,
    async measure(contender) {
      if (!isLatchkey(contender)) throw new Error('only Latchkey has pages');
      const target: LatchkeyTarget = contender.target;
      const asked: Query =
        query === 'threads'
          ? { name: query }
          : { name: query, threadId: threadIds.get(String(contender.pid)) ?? '' };
      await clients.call('openLanes', { target, query: asked, over, lanes });
      const meter = startMeter(contender);
      const latenciesMs = await clients.call('runLanes', { count });
      const { cpu, databaseCpu, writes } = meter();
      await clients.call('closeLanes', {});
      return {
        per: 'request',
        cpu: cpu / count,
        databaseCpu: databaseCpu && databaseCpu / count,
        writes: writes / count,
        latenciesMs,
      };
    },
  };
}
