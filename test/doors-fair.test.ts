import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../src/execution/token-bucket.ts';
import { askHeld } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { documentOf, type Person } from './kit/person.ts';
import { openFor, openSocket, type RawSocket } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { useSite } from './kit/site.ts';
import { recordStatements } from './kit/statements.ts';
import { newThread } from './kit/thread.ts';

describe('one person', { timeout: 60_000 }, () => {
  const site = useSite({
    LATCHKEY_MAX_SOCKETS_PER_PERSON: '3',
    LATCHKEY_MAX_SUBSCRIPTIONS_PER_PERSON: '4',
    LATCHKEY_OPERATIONS_PER_SECOND: '1',
    LATCHKEY_OPERATION_BURST: '40',
  });

  test('one person has a limited number of sockets at once, whatever others have, and a closed one makes room', async () => {
    const [bob, eve] = [await site.server.signUp('Bob'), await site.server.signUp('Eve')];
    const sockets = [await openFor(bob), await openFor(bob), await openFor(bob)];
    const init = { authorization: `Bearer ${bob.token}` };
    const refused = await openSocket(bob.url, { init });
    expect(await refused.closed).toBe(
      '1013 Too many sockets are open for this account. Close one, then try again.',
    );
    (await openFor(eve)).socket.terminate();
    sockets.pop()?.socket.close();
    await eventually('room for another one', async () => {
      const next = await openSocket(bob.url, { init });
      const outcome = await Promise.race([next.closed, next.message('connection_ack')]);
      next.socket.terminate();
      return typeof outcome !== 'string';
    });
    for (const { socket } of sockets) socket.terminate();
  });

  test('one person follows so many things at once, over sockets and event streams together', async () => {
    const bob = await site.server.signUp('Bob');
    const [first, second] = [await openFor(bob), await openFor(bob)];
    const streams: AbortController[] = [];
    for (const [index, opened] of [first, second].entries()) {
      opened.send({ type: 'subscribe', id: `${index}`, payload: follow(bob) });
      await opened.message('next', `${index}`);
      const stream = new AbortController();
      streams.push(stream);
      expect(await firstEvent(bob, stream.signal)).toContain('WorkspaceSnapshot');
    }
    const refusal = {
      message: 'You follow 4 things at once already, which is the most. End a subscription, then try again.',
      extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
    };
    second.send({ type: 'subscribe', id: 'more', payload: follow(bob) });
    expect((await second.message('next', 'more')).payload).toEqual({ errors: [refusal] });
    expect(await firstEvent(bob, new AbortController().signal)).toContain(
      JSON.stringify({ errors: [refusal] }),
    );
    expect(await firstEvent(site.ada, new AbortController().signal)).toContain('WorkspaceSnapshot');

    // One that is over makes room, however it ended.
    for (const end of [
      () => first.send({ type: 'complete', id: '0' }),
      () => streams[0]?.abort(),
      () => first.socket.terminate(),
    ]) {
      end();
      let count = 0;
      await eventually('room for another one', async () => {
        const id = `again ${++count}`;
        second.send({ type: 'subscribe', id, payload: follow(bob) });
        const { payload } = await second.message('next', id);
        const isRefused = (payload as { errors?: object }).errors !== undefined;
        if (!isRefused) second.send({ type: 'complete', id });
        return !isRefused;
      });
    }
    second.socket.terminate();
    streams[1]?.abort();
  });

  test('one person has one rate limit over all transports, and the error says when to retry', async () => {
    const bob = await site.server.signUp('Bob');
    const opened = await openFor(bob);
    for (let id = 0; id < 100; id++)
      opened.send({ type: 'subscribe', id: `${id}`, payload: { query: '{ __typename }' } });
    const refused = await eventually(
      'a refusal over the socket',
      () => opened.messages.find(({ type }) => type === 'error'),
      PATIENCE_MS,
    );
    expect(refused.payload).toEqual([
      {
        message:
          'More than 1 operations a second came from you. Wait until `retryAt`, then send fewer at once.',
        extensions: { code: 'RATE_LIMITED', retryAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      },
    ]);
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const responses = await Promise.all(Array.from({ length: 5 }, () => post(bob, accept)));
      const last = responses.at(-1);
      expect(last?.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(last?.status).toBe(accept === 'application/graphql-response+json' ? 429 : 200);
      expect(await last?.text()).toContain('"code":"RATE_LIMITED","retryAt":"');
    }
    expect(await (await post(site.ada, 'application/json')).json()).toEqual({
      data: { __typename: 'Query' },
    });
    opened.socket.terminate();
  });

  test('one person has an operation that could return a lot counted as several', async () => {
    const bob = await site.server.signUp('Bob');
    const large =
      '{ viewer { personalWorkspace { models(first: 500) { nodes { id title name provider } } } } }';
    const codes: string[] = [];
    for (let index = 0; index < 12; index++)
      codes.push(
        await (await post(bob, 'application/json', large))
          .text()
          .then((text) => /"code":"(\w+)"/.exec(text)?.[1] ?? 'DATA'),
      );
    expect(new Set(codes)).toEqual(new Set(['DATA', 'RATE_LIMITED']));
  });
});

test('a store for bursts is filled again by time, and what was charged beyond it is paid back first', () => {
  const bucket = new TokenBucket(10, 3);
  expect([1, 2, 3].map(() => bucket.take('a', 0))).toEqual([null, null, null]);
  expect(bucket.take('a', 0)).toBe(100);
  expect(bucket.take('b', 0)).toBeNull();
  expect(bucket.take('a', 100)).toBeNull();
  bucket.charge('a', 1_000, 100);
  expect(bucket.take('a', 100)).toBe(400);
  expect(bucket.take('a', 500)).toBeNull();
});

describe('sockets without a session', () => {
  const site = useSite();

  test('sockets without a session are bounded for a network address until they say who they are', async () => {
    const silent = await Promise.all(
      Array.from({ length: 100 }, () => openSocket(site.server.url, { init: null })),
    );
    await expect(openSocket(site.server.url, { init: null })).rejects.toThrow('429');
    silent[0]?.send({ type: 'connection_init', payload: { authorization: `Bearer ${site.ada.token}` } });
    await silent[0]?.message('connection_ack');
    (await openFor(site.ada)).socket.terminate();
    for (const { socket } of silent) socket.terminate();
  });
});

describe('hundreds of subscriptions of one person to one thing', { timeout: 60_000 }, () => {
  const site = useSite({ LATCHKEY_OPERATION_BURST: '5000' });
  const SOCKETS = 5;
  const EACH = 40;

  test.each(['workspace-events', 'thread-events', 'answer-events'])(
    'cost the database what one does, at their start and for a change: %s',
    async (operation) => {
      const person = await site.server.signUp();
      const { models } = await person.addKey();
      const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
      const asked = await askHeld(site.server.simulator, person, model, {});
      const variables = {
        'workspace-events': { workspaceId: person.workspaceId },
        'thread-events': { threadId: asked.threadId },
        'answer-events': { answerId: asked.answerId },
      }[operation];
      const payload = { query: documentOf(operation), variables };
      using recorded = recordStatements();
      const reads = () => recorded.texts.filter((text) => text.startsWith('select')).length;
      asked.call.release(1);

      async function followWith(
        sockets: RawSocket[],
        each: number,
      ): Promise<{ start: number; change: number }> {
        recorded.texts.length = 0;
        for (const { send } of sockets)
          for (let index = 0; index < each; index++) send({ type: 'subscribe', id: `${index}`, payload });
        await Promise.all(
          sockets.flatMap(({ message }) => range(each).map((id) => message('next', `${id}`))),
        );
        const start = reads();
        for (const { messages } of sockets) messages.length = 0;
        recorded.texts.length = 0;
        if (operation === 'answer-events') asked.call.release(1);
        else await person.run('update-thread', { input: { id: asked.threadId, title: crypto.randomUUID() } });
        await Promise.all(
          sockets.flatMap(({ message }) => range(each).map((id) => message('next', `${id}`))),
        );
        const change = reads();
        for (const { socket } of sockets) socket.terminate();
        return { start, change };
      }

      const one = await followWith([await openFor(person)], 1);
      const opened = await Promise.all(Array.from({ length: SOCKETS }, () => openFor(person)));
      const many = await followWith(opened, EACH);
      say(`${operation}: ${JSON.stringify({ one, many })}`);
      // Each socket looks up its session, and the watches of sessions and rights go on meanwhile.
      expect(many.start).toBeLessThanOrEqual(one.start + 4 * SOCKETS);
      expect(many.change).toBeLessThanOrEqual(one.change + 10);
      asked.call.release();
    },
  );

  test('hundreds of subscriptions get a change that was made while they began', async () => {
    const thread = await newThread(site.ada);
    const opened = await openFor(site.ada);
    const payload = { query: documentOf('thread-events'), variables: { threadId: thread.id } };
    for (const id of range(30)) opened.send({ type: 'subscribe', id: `${id}`, payload });
    await opened.message('next', '3');
    const title = crypto.randomUUID();
    await site.ada.run('update-thread', { input: { id: thread.id, title } });
    await eventually('all have the title', () =>
      range(30).every((id) =>
        opened.messages.some((message) => message.id === `${id}` && JSON.stringify(message).includes(title)),
      ),
    );
    opened.socket.terminate();
  });
});

/** For a machine that does much else. */
const PATIENCE_MS = 20_000;

function range(length: number): number[] {
  return Array.from({ length }, (_none, index) => index);
}

function follow({ workspaceId }: Person): object {
  return { query: documentOf('workspace-events'), variables: { workspaceId } };
}

async function firstEvent(person: Person, signal: AbortSignal): Promise<string> {
  const response = await fetch(`${person.url}/graphql`, {
    method: 'POST',
    headers: headers(person, 'text/event-stream'),
    body: JSON.stringify(follow(person)),
    signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (!text.includes('data: {')) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  return text;
}

function post(person: Person, accept: string, query = '{ __typename }'): Promise<Response> {
  return fetch(`${person.url}/graphql`, {
    method: 'POST',
    headers: headers(person, accept),
    body: JSON.stringify({ query }),
  });
}

function headers({ token }: Person, accept: string): Record<string, string> {
  return { 'content-type': 'application/json', accept, authorization: `Bearer ${token}` };
}
