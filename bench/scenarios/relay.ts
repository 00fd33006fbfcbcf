import type { Following } from '../clients/streams.ts';
import { CPU, dearest, ratioToBaseline } from '../measurement.ts';
import { type Run, runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { type Contender, LATCHKEY } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';
import { measureStreaming, perToken } from './streaming.ts';

/** A provider streams answers through a server to one client each. What is measured is from the first token to the last. */
export const relay: Scenario = {
  name: 'relay',
  about:
    'Many answers stream, each to the client that asked. "Frame per event": every token comes in a piece of its own, at the ' +
    'pace of a model. "Burst": eight tokens in a piece, as fast as the server takes them.',
  isPinned: true,
  async measure(stage) {
    const { streams, tokens, paceMs, rounds } = stage.options;
    return await measureInRounds(stage, rounds, [
      modeOf(stage, FRAME_PER_EVENT, () => true, { streams, tokens, paceMs }),
      // Bursts cost less per token, so it takes more tokens.
      modeOf(stage, 'burst', isEssential, { streams, tokens: tokens * 3, paceMs: 0, eventsPerChunk: 8 }),
    ]);
  },
  verdict(rounds) {
    const worst = dearest(
      rounds,
      ({ server, mode }) => server === LATCHKEY && mode === FRAME_PER_EVENT,
      (row) => ratioToBaseline(rounds, row, CPU),
    );
    return worst && `relay ${worst.value.toFixed(2)} x raw-ws`;
  },
};

const FRAME_PER_EVENT = 'frame per event';

function isEssential({ target }: Contender): boolean {
  return target.kind !== 'stock-yoga' && target.kind !== 'ai-sdk';
}

function modeOf(stage: Stage, name: string, takes: Mode['takes'], shape: Partial<Run>): Mode {
  const following: Following = { by: 'asker', subscription: 'answer-events', models: 1 };
  return {
    name,
    takes,
    async measure(contender) {
      const run = runOf(shape);
      const streamed = await measureStreaming(stage, contender, run, following);
      return perToken(streamed, run.streams * (run.tokens - 1)); // the first of each came before
    },
  };
}
