import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { documentOf, type Person } from './person.ts';

/** An event of `answerEvents` or `threadEvents`, with the fields that the documents of `schema/operations` ask for. */
export interface Event {
  __typename: string;
  answerId: string;
  part: 'TEXT' | 'REASONING';
  offset: number;
  text: string;
  attempt: number;
  retryAt: string;
  isOtherKey: boolean;
  error: { code: string; message: string; fixableBy: string; retryAt: string | null };
  /** Of MessageAdded. */
  message: EndedMessage;
  /** Of AnswerFinished and AnswerFailed. */
  answer: EndedMessage;
  thread: { id: string; title: string; revision: number };
  removedId: string;
  writing: { id: string; text: string; reasoning: string; status: string }[];
}

export interface EndedMessage {
  id: string;
  role: string;
  status: string;
  text: string;
  reasoning: string;
  modelName: string | null;
  finishReason: string | null;
  providerFinishReason: string | null;
  usage: { inputTokens: number; outputTokens: number; isEstimated: boolean };
  citations: { url: string; title: string | null; startOffset: number | null; endOffset: number | null }[];
  thread: { revision: number };
}

/** What subscriptions are followed with: a client of graphql-ws or of graphql-sse. */
export interface Follower {
  iterate(payload: {
    query: string;
    variables: Record<string, unknown>;
  }): AsyncIterableIterator<{ data?: unknown; errors?: unknown }>;
  dispose(): void | Promise<void>;
}

/** Clients that never reconnect by themselves, one for each way to subscribe. `drop` breaks the connection off. */
export const TRANSPORTS = {
  WebSocket(person: Person): Follower & { drop(): void } {
    const client = createSocketClient({
      url: `${person.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: DroppableSocket,
      connectionParams: { authorization: `Bearer ${person.token}` },
      retryAttempts: 0,
    });
    return {
      iterate: (payload) => client.iterate(payload),
      dispose: () => client.dispose(),
      drop: () => client.terminate(),
    };
  },
  'server-sent events'(person: Person): Follower & { drop(): void } {
    const client = createSseClient({
      url: `${person.url}/graphql`,
      headers: { authorization: `Bearer ${person.token}` },
      retryAttempts: 0,
    });
    return {
      iterate: (payload) => client.iterate(payload),
      dispose: () => client.dispose(),
      drop: () => client.dispose(),
    };
  },
} as const;

/** graphql-ws takes its listener away before it breaks off a connection that is still being made; ws then reports an error. */
class DroppableSocket extends WebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args);
    this.on('error', () => {});
  }
}

/** The events of a subscription, one by one. Leaving the loop ends the subscription. */
export function follow<Result = Event>(
  client: Follower,
  operation: string,
  variables: object,
): AsyncGenerator<Result> {
  const results = client.iterate({
    query: documentOf(operation),
    variables: variables as Record<string, unknown>,
  });
  return (async function* () {
    try {
      for await (const { data, errors } of results) {
        if (errors !== undefined) throw new Error(JSON.stringify(errors));
        for (const event of Object.values((data ?? {}) as Record<string, Result>)) yield event;
      }
    } finally {
      await results.return?.();
    }
  })();
}

/** What a client holds of an answer. */
export interface Held {
  text: string;
  reasoning: string;
}

/** Applies a delta with the rule of the schema's description. False if a piece is missing before it. */
export function applyDelta(held: Held, { part, offset, text }: Event): boolean {
  const name = part === 'TEXT' ? 'text' : 'reasoning';
  if (offset > held[name].length) return false;
  held[name] = held[name].slice(0, offset) + text + held[name].slice(offset + text.length);
  return true;
}

/** Whether an event is the end of its answer. */
export function isEnd(event: Event): boolean {
  return event.__typename === 'AnswerFinished' || event.__typename === 'AnswerFailed';
}

/** Follows an answer to its end and returns what a client then holds. */
export async function readAnswer(client: Follower, answerId: string, offsets: object = {}): Promise<Read> {
  const read: Read = { text: '', reasoning: '', deltas: 0, retries: 0, end: undefined };
  for await (const event of follow(client, 'answer-events', { answerId, ...offsets })) {
    if (event.__typename === 'AnswerRetrying') read.retries++;
    if (event.__typename === 'AnswerDelta') {
      read.deltas++;
      applyDelta(read, event);
    }
    if (isEnd(event)) read.end = event;
  }
  return read;
}

export interface Read extends Held {
  deltas: number;
  retries: number;
  end: Event | undefined;
}

/** Asks a question that the simulator holds back token by token, and waits until the provider has received it. */
export async function askHeld(
  simulator: Simulator,
  person: Person,
  model: { id: string },
  more: { threadId?: string; directive?: string } = {},
) {
  const question = `Question ${crypto.randomUUID()}`;
  const sent = await person.ask(
    `${question}\nsimulate: held ${more.directive ?? ''}`,
    [model],
    more.threadId,
  );
  const call = await simulator.waitForRequest(({ body }) => body.includes(question));
  return {
    answerId: sent.answers[0]?.id ?? '',
    threadId: sent.thread.id,
    userMessageId: sent.userMessage.id,
    call,
  };
}
