import type { Following } from '../clients/streams.ts';
import { MODELS, runOf } from '../run.ts';
import { type Mode, measureInRounds, type Scenario } from '../scenario.ts';
import { isLatchkey, isRawSocket } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';
import { measureStreaming, perToken } from './streaming.ts';

/** One prompt to several models, whose answers come over one subscription. */
export const compare: Scenario = {
  name: 'compare',
  about:
    `One prompt to ${MODELS.length} models, whose answers are followed on one threadEvents; many people do so at once. The ` +
    'bare socket sends each token in a frame of its own.',
  isPinned: true,
  measure: (stage) => measureInRounds(stage, Math.ceil(stage.options.rounds / 2), [modeOf(stage)]),
};

function modeOf(stage: Stage): Mode {
  const { tokens, paceMs, streams } = stage.options;
  const prompts = Math.max(1, Math.floor(streams / MODELS.length));
  const following: Following = { by: 'asker', subscription: 'thread-events', models: MODELS.length };
  return {
    name: `${prompts} prompts × ${MODELS.length} models`,
    takes: (contender) => isLatchkey(contender) || isRawSocket(contender),
    async measure(contender) {
      const run = runOf({ streams: prompts, tokens, paceMs });
      const streamed = await measureStreaming(stage, contender, run, following);
      return perToken(streamed, prompts * MODELS.length * (tokens - 1));
    },
  };
}
