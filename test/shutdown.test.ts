import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { expect, inject, test } from 'vitest';
import { WebSocket } from 'ws';
import { applyDelta, type Event, type Follower, follow, isEnd } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { type NamedModel, type Person, personOf, signUp } from './kit/person.ts';
import { newPlace, startServerProcess } from './kit/process.ts';
import { openFor } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { startTickingProvider } from './kit/ticking-provider.ts';

const PEOPLE = 10;
const ANSWERS_EACH = 10;

/** A person who follows ten answers over one connection, and how that went. */
interface Audience {
  person: Person;
  streams: Stream[];
  /** How the connection ended, once it has. */
  closed: Promise<string>;
}

interface Stream {
  question: string;
  answerId: string;
  held: { text: string; reasoning: string };
  end: Event | undefined;
}

test('a server that is stopped during a hundred streams sends each its end, saves every word, and exits', {
  timeout: 120_000,
}, async () => {
  await using provider = await startTickingProvider(250);
  const env = { ...(await newPlace()), LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host };
  const first = await startServerProcess(env);
  const audiences: Audience[] = [];
  for (let number = 0; number < PEOPLE; number++) {
    const person = await signUp(first.url);
    const { models } = await person.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
    audiences.push(await gather(person, models, number === 0 ? 'server-sent events' : 'WebSocket'));
  }
  const streams = audiences.flatMap((audience) => audience.streams);
  await eventually('every stream has begun', () => streams.every(({ held }) => held.text !== ''));

  // One of each ten comes to its own end at the same moment.
  for (const { streams } of audiences) provider.finish(streams[0]?.question ?? '');
  const toldAt = performance.now();
  first.process.kill('SIGTERM');
  const closed = await Promise.all(audiences.map((audience) => audience.closed));
  const { exitCode } = await first.ended;
  const tookMs = performance.now() - toldAt;
  expect(exitCode).toBe(0);

  const second = await startServerProcess(env);
  for (const { person, streams } of audiences) {
    const again = await personOf(second.url, person.email, person.token);
    for (const { answerId, held, end } of streams) {
      const saved = await messageOf(again, answerId);
      expect(end?.answer).toMatchObject(saved);
      expect(held.text).toBe(saved.text);
      expect(['COMPLETE', 'INTERRUPTED']).toContain(saved.status);
      expect(end?.error?.code).toBe(saved.status === 'INTERRUPTED' ? 'INTERRUPTED' : undefined);
    }
  }
  expect(new Set(closed.slice(1))).toEqual(new Set(['1012 Server is restarting']));
  second.process.kill('SIGTERM');
  const { out } = await second.ended;
  expect(out).not.toContain('were interrupted'); // nothing was left to be found by the next start

  const ends = streams.map(({ end }) => `${end?.__typename} ${end?.answer.status}`);
  const engine = inject('postgresUrl') === undefined ? 'the embedded engine' : 'PostgreSQL';
  say(
    `SIGTERM under ${streams.length} streams on ${engine}: ${JSON.stringify(tally(ends))}, ` +
      `${JSON.stringify(tally(closed))}, every text as saved, exit code 0 after ${Math.round(tookMs)} ms`,
  );
});

test('a second signal ends a server that is still taking its leave', { timeout: 60_000 }, async () => {
  const server = await startServerProcess(await newPlace());
  const ada = await signUp(server.url);
  // One that does not answer the close frame is waited for.
  const stalled = await openFor(ada);
  stalled.socket.pause();
  server.process.kill('SIGTERM');
  await eventually('it ends at a later signal', () => {
    server.process.kill('SIGTERM');
    return server.process.exitCode !== null;
  });
  expect((await server.ended).exitCode).toBe(1);
  stalled.socket.terminate();
});

/** Asks ten questions and follows the answers until they end. */
async function gather(
  person: Person,
  models: readonly NamedModel[],
  transport: 'WebSocket' | 'server-sent events',
): Promise<Audience> {
  const { client, closed } = connectTo(person, transport);
  const streams: Stream[] = [];
  for (let number = 0; number < ANSWERS_EACH; number++) {
    const question = `Question ${crypto.randomUUID()}`;
    const { answers } = await person.ask(question, models);
    const answerId = answers[0]?.id ?? '';
    const stream: Stream = { question, answerId, held: { text: '', reasoning: '' }, end: undefined };
    streams.push(stream);
    void watch(client, stream);
  }
  return { person, streams, closed };
}

/** Follows a stream to its end; one that breaks off before stays without. */
async function watch(client: Follower, stream: Stream): Promise<void> {
  try {
    for await (const event of follow(client, 'answer-events', { answerId: stream.answerId })) {
      if (event.__typename === 'AnswerDelta') applyDelta(stream.held, event);
      if (isEnd(event)) stream.end = event;
    }
  } catch {}
}

function connectTo(
  { url, token }: Person,
  transport: 'WebSocket' | 'server-sent events',
): { client: Follower; closed: Promise<string> } {
  const authorization = `Bearer ${token}`;
  if (transport === 'server-sent events') {
    const client = createSseClient({ url: `${url}/graphql`, headers: { authorization }, retryAttempts: 0 });
    return { client, closed: Promise.resolve('server-sent events') };
  }
  const { promise, resolve } = Promise.withResolvers<string>();
  const client = createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => {},
    on: { closed: (event) => resolve(describeClose(event)) },
  });
  return { client, closed: promise };
}

function describeClose(event: unknown): string {
  const { code, reason } = event as { code: number; reason: string };
  return `${code} ${reason}`;
}

async function messageOf(person: Person, id: string): Promise<{ id: string; status: string; text: string }> {
  const query = '{ node(id: $id) { ... on Answer { id status text } } }'.replace('$id', JSON.stringify(id));
  const response = await fetch(`${person.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${person.token}` },
    body: JSON.stringify({ query }),
  });
  return ((await response.json()) as { data: { node: { id: string; status: string; text: string } } }).data
    .node;
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
