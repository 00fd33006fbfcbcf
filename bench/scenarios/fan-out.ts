import type { WatchBy } from '../clients/watcher.ts';
import { CPU, dearest, ratioToBaseline } from '../measurement.ts';
import { runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { isLatchkey, isRawSocket, LATCHKEY } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';
import { measureStreaming, perToken } from './streaming.ts';

/** One answer streams to many watchers. */
export const fanOut: Scenario = {
  name: 'fan-out',
  about:
    'One answer streams to many watchers: people in a workspace that they share. A token counts as often as a watcher is ' +
    'given it, so that frames which carry several are to their credit. The bare socket sends each token to each watcher ' +
    'in a frame of its own. The more watchers, the slower the provider: all receive about 25,000 tokens a second.',
  isPinned: true,
  async measure(stage) {
    const modes = SHAPES.flatMap((shape) => [
      modeOf(stage, shape, 'answer-events', nameOf(shape), isRawSocket),
      ...shape.subscriptions.map((by) => modeOf(stage, shape, by, nameOf(shape, by), isLatchkey)),
    ]);
    return await measureInRounds(stage, Math.ceil(stage.options.rounds / 2), modes);
  },
  verdict(rounds) {
    const counted = [nameOf(COUNTED, 'answer-events'), nameOf(COUNTED, 'thread-events')];
    const worst = dearest(
      rounds,
      ({ server, mode }) => server === LATCHKEY && counted.includes(mode),
      (row) => ratioToBaseline(rounds, row, CPU),
    );
    return worst && `fan-out ${worst.value.toFixed(2)} x raw-ws`;
  },
};

interface Shape {
  watchers: number;
  paceMs: number;
  subscriptions: WatchBy[];
}

const BOTH: WatchBy[] = ['answer-events', 'thread-events'];
const ALL: WatchBy[] = [...BOTH, 'answer-events-sse'];
const COUNTED: Shape = {
  watchers: 100,
  paceMs: 4,
  subscriptions: ALL,
};
const SHAPES: Shape[] = [
  { watchers: 1, paceMs: 2, subscriptions: BOTH },
  { watchers: 10, paceMs: 2, subscriptions: BOTH },
  COUNTED,
  { watchers: 100, paceMs: 5, subscriptions: ['answer-events'] },
  { watchers: 1_000, paceMs: 40, subscriptions: ALL },
];

const TITLES: Record<WatchBy, string> = {
  'answer-events': 'answerEvents',
  'thread-events': 'threadEvents',
  'answer-events-sse': 'answerEvents over SSE',
};

function nameOf({ watchers, paceMs }: Shape, by?: WatchBy): string {
  const group = `${watchers} watcher${watchers === 1 ? '' : 's'}, ${1_000 / paceMs} tokens/s`;
  return by === undefined ? group : `${group}, ${TITLES[by]}`;
}

function modeOf(stage: Stage, shape: Shape, subscription: WatchBy, name: string, takes: Mode['takes']): Mode {
  const { watchers, paceMs } = shape;
  return {
    name,
    baseline: nameOf(shape),
    takes,
    async measure(contender) {
      const durationMs = stage.options.isQuick ? 600 : 1_500;
      const run = runOf({ tokens: Math.ceil(durationMs / paceMs) + 1, paceMs });
      const streamed = await measureStreaming(stage, contender, run, {
        by: 'watchers',
        subscription,
        watchers,
      });
      const { more, ...measured } = perToken(streamed, watchers * (run.tokens - 1));
      return { ...measured, more: { ...more, 'CPU µs a frame': streamed.cpu / streamed.frames } };
    },
  };
}
