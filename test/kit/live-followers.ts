import { once } from 'node:events';
import { composeTokens } from '../../src/simulator/text.ts';
import { applyDelta, askHeld, type Event, follow, type Held, isEnd, TRANSPORTS } from './answer.ts';
import { documentOf, type Person } from './person.ts';
import { type Message, openFor, type RawSocket } from './raw-socket.ts';
import type { TestServer } from './server.ts';

/** Four that follow one answer while it is written: twice over one socket, twice over server-sent events. None reconnects. */
export interface LiveFollowers extends AsyncDisposable {
  /** The socket that two of them share, for a test to send beside them what it likes. */
  opened: RawSocket;
  threadId: string;
  /** Lets the answer grow by one token, and resolves when all of them have it. Rejects when one has lost anything. */
  goOn(): Promise<void>;
  /** Lets the answer end, and resolves with its length when all of them hold the whole text. */
  end(): Promise<number>;
}

/** Asks a question in a new thread and follows the answer to it. */
export async function startLiveFollowers(
  { simulator }: Pick<TestServer, 'simulator'>,
  person: Person,
): Promise<LiveFollowers> {
  const { models } = await person.addKey();
  const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
  const asked = await askHeld(simulator, person, model, { directive: `tokens=${TOKENS.length}` });
  const { answerId, threadId, call } = asked;
  const opened = await openFor(person);
  const streams = TRANSPORTS['server-sent events'](person);
  const progress = new EventTarget();
  const followers = ['answer-events', 'thread-events'].flatMap((operation) => {
    const variables = operation === 'answer-events' ? { answerId } : { threadId };
    const [overSocket, overStream] = [newFollower(answerId, progress), newFollower(answerId, progress)];
    followSocket(opened, operation, variables, overSocket);
    void followStream(follow(streams, operation, variables), overStream);
    return [overSocket, overStream];
  });
  let released = 0;

  async function all(isMet: (follower: Follower) => boolean): Promise<void> {
    for (;;) {
      const fault = followers.find((follower) => follower.fault !== undefined)?.fault;
      if (fault !== undefined) throw new Error(fault);
      if (followers.every(isMet)) return;
      await once(progress, 'progress');
    }
  }
  async function goOn(): Promise<void> {
    call.release(1);
    const text = TOKENS.slice(0, ++released).join('');
    await all(({ held }) => held.text === text);
  }

  await goOn();
  return {
    opened,
    threadId,
    goOn,
    async end() {
      call.release();
      const text = TOKENS.join('');
      await all(({ held, end }) => held.text === text && end?.answer.text === text);
      return text.length;
    },
    async [Symbol.asyncDispose]() {
      call.release();
      opened.socket.terminate();
      await streams.dispose();
    },
  };
}

/** More than any test lets go one by one. */
const TOKENS = composeTokens(2_000);

interface Follower {
  held: Held;
  end: Event | undefined;
  /** What this follower has seen that it should not have. */
  fault: string | undefined;
  take(event: Event): void;
  fail(fault: string): void;
}

function newFollower(answerId: string, progress: EventTarget): Follower {
  const notify = () => progress.dispatchEvent(new globalThis.Event('progress'));
  const follower: Follower = {
    held: { text: '', reasoning: '' },
    end: undefined,
    fault: undefined,
    take(event) {
      const { held } = follower;
      if (event.__typename === 'ThreadSnapshot')
        held.text = event.writing.find(({ id }) => id === answerId)?.text ?? '';
      if (event.__typename === 'AnswerDelta') {
        if (event.offset !== held.text.length)
          follower.fail('a piece came twice, or one before it is missing');
        applyDelta(held, event);
      }
      if (isEnd(event)) follower.end = event;
      notify();
    },
    fail(fault) {
      follower.fault ??= fault;
      notify();
    },
  };
  return follower;
}

function followSocket(opened: RawSocket, operation: string, variables: object, follower: Follower): void {
  opened.socket.on('message', (data) => {
    const { id, type, payload } = JSON.parse(String(data)) as Message;
    if (id !== operation) return;
    if (type === 'next')
      for (const event of Object.values((payload as { data: Record<string, Event> }).data))
        follower.take(event);
    else if (follower.end === undefined)
      follower.fail(`${type} for ${operation}: ${JSON.stringify(payload)}`);
  });
  void opened.closed.then((reason) => follower.fail(`the socket was closed: ${reason}`));
  opened.send({ type: 'subscribe', id: operation, payload: { query: documentOf(operation), variables } });
}

async function followStream(events: AsyncGenerator<Event>, follower: Follower): Promise<void> {
  try {
    for await (const event of events) follower.take(event);
    if (follower.end === undefined) follower.fail('the stream ended before the answer');
  } catch (error) {
    follower.fail(`the stream broke: ${error}`);
  }
}
