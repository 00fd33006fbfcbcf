import { answerCalls } from '../process/calls.ts';
import { Streams, type StreamsInput } from './streams.ts';

/** The process of all clients. What it does at the moment is up to the scenario. */
let streams: Streams | undefined;

const calls = {
  async open(input: StreamsInput) {
    streams = await Streams.open(input);
  },
  start: ({ atOnce }: { atOnce: number }) => current().start(atOnce),
  reach: ({ tokens }: { tokens: number }) => current().reach(tokens),
  end: (_: object) => current().end(),
};
export type ClientCalls = typeof calls;
answerCalls(calls);

function current(): Streams {
  if (streams === undefined) throw new Error('no clients are connected');
  return streams;
}
