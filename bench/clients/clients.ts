import { answerCalls } from '../process/calls.ts';
import { type HoldInput, IdleFollowers } from './idle-followers.ts';
import { Streams, type StreamsInput } from './streams.ts';

/** The process of all clients. What it does at the moment is up to the scenario. */
let streams: Streams | undefined;
const idle = new IdleFollowers();

const calls = {
  async open(input: StreamsInput) {
    streams = await Streams.open(input);
  },
  start: ({ atOnce }: { atOnce: number }) => current().start(atOnce),
  reach: ({ tokens }: { tokens: number }) => current().reach(tokens),
  end: (_: object) => current().end(),
  hold: ({ target, subscription, count }: HoldInput) => idle.hold(target, subscription, count),
  letGo: (_: object) => idle.letGo(),
};
export type ClientCalls = typeof calls;
answerCalls(calls);

function current(): Streams {
  if (streams === undefined) throw new Error('no clients are connected');
  return streams;
}
