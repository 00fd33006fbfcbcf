import { type ClientRequest, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import type { Asked } from './asker.ts';
import { ANSWER_EVENTS, type AnswerEvent, THREAD_EVENTS, type ThreadEvent } from './documents.ts';
import { GraphqlSocket } from './graphql-socket.ts';
import { RawSocket } from './raw-socket.ts';
import type { Reader } from './reader.ts';
import { type LatchkeyTarget, personOf, type Target } from './target.ts';
import { readAnswerEvent, ThreadFollower } from './thread-follower.ts';

/** A follower of an answer that another person asked for. It is connected before. */
export interface Watcher {
  reader: Reader;
  /** Follows from where the reader is. */
  watch(asked: Asked): void;
  /** Stops reading from the network. */
  pause(): void;
  resume(): void;
  leave(): void;
}

/** What is subscribed to, and over what; a server without GraphQL has only one way. */
export type WatchBy = 'answer-events' | 'thread-events' | 'answer-events-sse';

/** Connects the watcher of this number, which decides who it is. */
export async function openWatcher(
  target: Target,
  by: WatchBy,
  number: number,
  reader: Reader,
): Promise<Watcher> {
  if (target.kind === 'raw-ws') return await openRawWatcher(target.url, reader);
  if (target.kind !== 'latchkey') throw new Error(`${target.kind} has no watchers`);
  if (by === 'answer-events-sse') return openEventStream(target, number, reader);
  const socket = await GraphqlSocket.open(`${target.url}/graphql`, personOf(target, number));
  const onFailure = (reason: string) => reader.lose(reason);
  return {
    reader,
    watch({ answerId, threadId }) {
      if (by === 'answer-events')
        socket.subscribe<{ answerEvents: AnswerEvent }>(
          ANSWER_EVENTS,
          { answerId, offset: reader.length },
          { onData: ({ answerEvents }) => readAnswerEvent(reader, answerEvents), onFailure },
        );
      else {
        const follower = new ThreadFollower(new Map([[reader.model, reader]]));
        socket.subscribe<{ threadEvents: ThreadEvent }>(
          THREAD_EVENTS,
          { threadId },
          { onData: ({ threadEvents }) => follower.read(threadEvents), onFailure },
        );
      }
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.close(),
  };
}

async function openRawWatcher(url: string, reader: Reader): Promise<Watcher> {
  const socket = await RawSocket.open(url, {
    onFrame(frame) {
      if (frame.type === 'delta') reader.add(reader.length, frame.text);
      if (frame.type === 'end') reader.finish();
    },
    onFailure: (reason) => reader.lose(reason),
  });
  return {
    reader,
    watch: ({ answerId }) => socket.send({ type: 'watch', key: answerId, offset: reader.length }),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.close(),
  };
}

/** GraphQL over server-sent events: one request, whose response are the events. */
function openEventStream(target: LatchkeyTarget, number: number, reader: Reader): Watcher {
  const { token, address } = personOf(target, number);
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    authorization: `Bearer ${token}`,
  };
  const parser = createParser({
    onEvent({ event, data }) {
      if (event !== 'next') return;
      const { data: result } = JSON.parse(data) as { data?: { answerEvents: AnswerEvent } };
      if (result === undefined) reader.fail(`received ${data}`);
      else readAnswerEvent(reader, result.answerEvents);
    },
  });
  let call: ClientRequest | undefined;
  return {
    reader,
    watch({ answerId }) {
      const variables = { answerId, offset: reader.length };
      call = request(
        `${target.url}/graphql`,
        { method: 'POST', headers, agent: false, localAddress: address },
        (response) => {
          response.setEncoding('utf8');
          response.on('data', (text: string) => parser.feed(text));
        },
      );
      call.on('error', (error) => reader.fail(error.message));
      call.end(JSON.stringify({ query: ANSWER_EVENTS, variables }));
    },
    pause: () => call?.socket?.pause(),
    resume: () => call?.socket?.resume(),
    leave() {
      call
        ?.removeAllListeners('error')
        .on('error', () => {})
        .destroy();
    },
  };
}
