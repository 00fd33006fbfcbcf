import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { inGroups } from '../in-groups.ts';
import { MODEL, runOf } from '../run.ts';
import {
  ANSWER_EVENTS,
  type AnswerEvent,
  CREATE_THREAD,
  type CreateThread,
  SEND_MESSAGE,
  type SendMessage,
  THREAD,
  THREADS,
} from './documents.ts';
import { GraphqlSocket } from './graphql-socket.ts';
import { type LatchkeyTarget, type Person, personOf } from './target.ts';

/** What is asked for: a page of messages, a page of threads, or next to nothing. */
export type Query = { name: 'messages'; threadId: string } | { name: 'threads' } | { name: 'viewer' };

export interface LanesInput {
  target: LatchkeyTarget;
  query: Query;
  over: 'HTTP' | 'WebSocket';
  lanes: number;
}

/** Connections that each make one request after the other. */
export class Lanes {
  readonly #ask: (() => Promise<void>)[];
  readonly #close: (() => void)[];

  private constructor(connections: readonly Connection[], { target, query }: LanesInput) {
    const { document, variables, isComplete } = operationOf(target, query);
    this.#ask = connections.map(({ run }) => async () => {
      const data = await run(document, variables);
      if (!isComplete(data)) throw new Error(`a request for ${query.name} got ${JSON.stringify(data)}`);
    });
    this.#close = connections.map(({ close }) => close);
  }

  static async open(input: LanesInput): Promise<Lanes> {
    const { target, over, lanes } = input;
    const numbers = Array.from({ length: lanes }, (_, number) => number);
    const connect = over === 'HTTP' ? connectHttp : connectSocket;
    return new Lanes(
      await inGroups(numbers, 10, (number) => connect(target.url, personOf(target, number))),
      input,
    );
  }

  /** Makes so many requests in all, on every lane as fast as it gets answers. Resolves with how long each took. */
  async run(count: number): Promise<number[]> {
    const latenciesMs: number[] = [];
    let left = count;
    await Promise.all(
      this.#ask.map(async (ask) => {
        while (left > 0) {
          left -= 1;
          latenciesMs.push(await durationOf(ask));
        }
      }),
    );
    return latenciesMs;
  }

  /** Makes a request on every lane every so many milliseconds, until it is stopped. Lanes take turns. */
  async repeat(everyMs: number, signal: AbortSignal): Promise<number[]> {
    const latenciesMs: number[] = [];
    await Promise.all(
      this.#ask.map(async (ask, lane) => {
        let dueMs = performance.now() + (everyMs * lane) / this.#ask.length;
        while (!signal.aborted) {
          await sleep(Math.max(0, dueMs - performance.now()));
          await ask();
          // From when it was due: who had to wait for the answer before has waited for this one too.
          latenciesMs.push(performance.now() - dueMs);
          dueMs = Math.max(dueMs + everyMs, performance.now());
        }
      }),
    );
    return latenciesMs;
  }

  close(): void {
    for (const close of this.#close) close();
  }
}

/** Requests that are repeated beside something else. */
export class Repetition {
  #lanes: Lanes | undefined;
  #stop = new AbortController();
  #latenciesMs: Promise<number[]> = Promise.resolve([]);

  async begin(input: LanesInput, everyMs: number): Promise<void> {
    this.#lanes = await Lanes.open(input);
    this.#stop = new AbortController();
    this.#latenciesMs = this.#lanes.repeat(everyMs, this.#stop.signal);
    this.#latenciesMs.catch(() => {}); // thrown by `end`
  }

  /** Resolves with how long each request took. */
  async end(): Promise<number[]> {
    this.#stop.abort();
    try {
      return await this.#latenciesMs;
    } finally {
      this.#lanes?.close();
    }
  }
}

interface Connection {
  run(document: string, variables: object): Promise<unknown>;
  close(): void;
}

async function connectSocket(url: string, person: Person): Promise<Connection> {
  const socket = await GraphqlSocket.open(`${url}/graphql`, person);
  return { run: (document, variables) => socket.request(document, variables), close: () => socket.close() };
}

function connectHttp(url: string, { token, address }: Person): Promise<Connection> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: address });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return Promise.resolve({
    async run(query, variables) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const call = request(`${url}/graphql`, { method: 'POST', agent, headers }, (response) => {
        text(response).then(resolve, reject);
      });
      call.on('error', reject);
      call.end(JSON.stringify({ query, variables }));
      const { data, errors } = JSON.parse(await promise) as { data?: unknown; errors?: unknown };
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      return data;
    },
    close: () => agent.destroy(),
  });
}

interface Page {
  edges: unknown[];
}

/** The operation of a query, and whether its data is the whole page. */
function operationOf({ shared }: LatchkeyTarget, query: Query) {
  switch (query.name) {
    case 'messages':
      return {
        document: THREAD,
        variables: { id: query.threadId },
        isComplete: (data: unknown) =>
          (data as { thread: { messages: Page } }).thread.messages.edges.length === 50,
      };
    case 'threads':
      return {
        document: THREADS,
        variables: { workspaceId: shared.workspaceId },
        isComplete: (data: unknown) =>
          (data as { workspace: { threads: Page } }).workspace.threads.edges.length === 50,
      };
    case 'viewer':
      return { document: '{ viewer { id } }', variables: {}, isComplete: () => true };
    default:
      return query satisfies never;
  }
}

async function durationOf(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Makes threads in the shared workspace, the last of them with messages. Resolves with the id of that one. */
export async function fillWorkspace(
  target: LatchkeyTarget,
  threads: number,
  messages: number,
): Promise<string> {
  const socket = await GraphqlSocket.open(`${target.url}/graphql`, personOf(target, 0));
  const { workspaceId, models } = target.shared;
  let threadId = '';
  for (let number = 0; number < threads; number += 1) {
    const input = { workspaceId, visibility: 'WORKSPACE' };
    const { createThread } = await socket.request<CreateThread>(CREATE_THREAD, { input });
    threadId = createThread.thread.id;
  }
  for (let sent = 0; sent < messages; sent += 2) {
    const prompt = { ...runOf({ tokens: 50, isSentAtOnce: true }), stream: 0 };
    const input = { threadId, text: JSON.stringify(prompt), modelIds: [models[MODEL]] };
    const { sendMessage } = await socket.request<SendMessage>(SEND_MESSAGE, { input });
    await untilEnd(socket, sendMessage.answers[0]?.id ?? '');
  }
  socket.close();
  return threadId;
}

function untilEnd(socket: GraphqlSocket, answerId: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.subscribe<{ answerEvents: AnswerEvent }>(
    ANSWER_EVENTS,
    { answerId },
    {
      onData: ({ answerEvents }) => answerEvents.__typename === 'AnswerFinished' && resolve(),
      onFailure: (reason) => reject(new Error(reason)),
    },
  );
  return promise;
}
