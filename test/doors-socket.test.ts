import { once } from 'node:events';
import { connect } from 'node:net';
import { eq } from 'drizzle-orm';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { sessions } from '../src/db/tables/user.ts';
import { follow, TRANSPORTS } from './kit/answer.ts';
import { failStatements, freshDatabase } from './kit/database.ts';
import { captureErrors } from './kit/log.ts';
import { documentOf, type Person } from './kit/person.ts';
import { openFor, openSocket } from './kit/raw-socket.ts';
import { announceEverywhere, startTestServer } from './kit/server.ts';
import { signIn } from './kit/session.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();

let printed: unknown[][];
beforeEach(() => {
  printed = [];
  for (const name of ['error', 'warn', 'log'] as const)
    vi.spyOn(console, name).mockImplementation((...words) => printed.push(words));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  expect(printed).toEqual([]);
});

const ask = { query: 'query Who { viewer { user { id } } }' };

describe('an upgrade', () => {
  test('an upgrade that is refused and reset does not end the server', async () => {
    const port = Number(new URL(site.server.url).port);
    const lines = [
      'GET /nowhere HTTP/1.1\r\nHost: x',
      'GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example.com',
      'GET /graphql HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Version: 1',
      'GET /graphql HTTP/1.1\r\nHost: a b',
    ];
    for (let round = 0; round < 50; round++)
      await Promise.all(
        lines.map(async (head) => {
          const socket = connect(port);
          socket.on('error', () => {});
          await once(socket, 'connect');
          socket.write(`${head}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, () =>
            socket.resetAndDestroy(),
          );
          await once(socket, 'close');
        }),
      );
    expect(await (await fetch(`${site.server.url}/health/live`)).text()).toBe('live\n');
  });

  test('an upgrade that is refused is closed, with a reason', async () => {
    const socket = connect(Number(new URL(site.server.url).port));
    socket.write('GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toBe('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
});

describe('a stranger on a socket', () => {
  test('a stranger on a socket is sent away after three seconds of saying nothing', async () => {
    const stranger = await openSocket(site.server.url, { init: null });
    expect(await stranger.closed).toBe('4408 Connection initialisation timeout');
  });

  test.each([
    ['in one message', 1, 64 * 1024],
    ['in many pings', 40, 1024],
  ])(
    'a stranger on a socket may not say much before it is known who they are: %s',
    async (_what, count, length) => {
      const stranger = await openSocket(site.server.url, { init: null });
      for (let index = 0; index < count; index++)
        stranger.send({ type: 'ping', payload: { text: 'x'.repeat(length) } });
      expect(await stranger.closed).toBe('1006');
    },
  );

  test('a stranger on a socket may not ask anything, nor break the protocol', async () => {
    for (const [message, code] of [
      [{ type: 'subscribe', id: '1', payload: ask }, '4401 Unauthorized'],
      [{ type: 'nonsense' }, '4400 Invalid message received'],
      [{ type: 'next', id: '1', payload: {} }, '4400 Invalid message received'],
    ] as const) {
      const stranger = await openSocket(site.server.url, { init: null });
      stranger.send(message);
      expect(await stranger.closed).toBe(code);
    }
  });
});

describe('a cookie', () => {
  let cookie: string;
  beforeAll(async () => {
    ({ cookie } = await signIn(site.ada));
  });

  test('a cookie opens a socket for a page of this server, and none without an origin', async () => {
    const page = await openSocket(site.server.url, { headers: { cookie, origin: site.server.url } });
    await page.message('connection_ack');
    page.socket.terminate();
    const program = await openSocket(site.server.url, { headers: { cookie } });
    expect(await program.closed).toBe('4403 Forbidden');
  });

  test.each([[null], [1], [{}], [['Bearer x']], [''], ['Bearer nonsense']])(
    'a cookie does not replace an invalid authorization: %j',
    async (authorization) => {
      const headers = { cookie, origin: site.server.url };
      const page = await openSocket(site.server.url, { headers, init: { authorization } });
      expect(await page.closed).toBe('4403 Forbidden');
    },
  );
});

describe('signing out', () => {
  test.each(Object.entries(TRANSPORTS))(
    'ends what the session follows, and nothing of others, over %s',
    async (_name, open) => {
      const thread = await newThread(site.ada);
      const { person: second } = await signIn(site.ada);
      const events = follow(open(second), 'thread-events', { threadId: thread.id });
      expect((await events.next()).value).toMatchObject({ __typename: 'ThreadSnapshot' });
      const own = open(site.ada);
      const others = follow(own, 'thread-events', { threadId: thread.id });
      expect((await others.next()).value).toMatchObject({ __typename: 'ThreadSnapshot' });

      const ended = events.next().then(
        ({ done }) => (done ? 'ended' : 'went on'),
        () => 'ended',
      );
      const startedAt = performance.now();
      await signOut(second);
      expect(await ended).toBe('ended');
      expect(performance.now() - startedAt).toBeLessThan(1_000);

      await site.ada.run('update-thread', { input: { id: thread.id, title: 'Still here' } });
      expect((await others.next()).value).toMatchObject({ thread: { title: 'Still here' } });
      await own.dispose();
    },
  );

  test('signing out closes an idle socket too, with the code after which clients ask for a new token', async () => {
    const { person: second } = await signIn(site.ada);
    const idle = await openFor(second);
    await signOut(second);
    expect(await idle.closed).toBe('4403 Forbidden');
  });

  test('signing out everywhere else, or a new password, closes the sockets of those sessions', async () => {
    const bob = await site.server.signUp('Bob');
    const [{ person: stays }, { person: goes }] = [await signIn(bob), await signIn(bob)];
    const [kept, closed] = [await openFor(stays), await openFor(goes)];
    await fetch(`${site.server.url}/api/auth/revoke-other-sessions`, {
      method: 'POST',
      headers: { ...bearer(stays), 'content-type': 'application/json', origin: site.server.url },
      body: '{}',
    });
    expect(await closed.closed).toBe('4403 Forbidden');
    kept.send({ type: 'subscribe', id: '1', payload: ask });
    expect((await kept.message('next', '1')).payload).toEqual({ data: { viewer: { user: { id: bob.id } } } });
    kept.socket.terminate();
  });

  test('a sign-out that was not announced is noticed at the next operation', async () => {
    const { person: second } = await signIn(site.ada);
    const opened = await openFor(second);
    const token = second.token.split('.')[0] ?? '';
    await site.server.app.db.delete(sessions).where(eq(sessions.token, token));
    opened.send({ type: 'subscribe', id: '1', payload: ask });
    expect(await opened.closed).toBe('4403 Forbidden');
    expect(opened.messages.filter(({ type }) => type === 'next')).toEqual([]);
  });
});

describe('an operation that goes wrong', () => {
  test('an operation that goes wrong takes nothing else on the socket with it, and is masked in every mode', async () => {
    await using broken = await startTestServer({}, { database: await freshDatabase() });
    vi.stubEnv('NODE_ENV', 'development');
    const person = await broken.signUp();
    const thread = await newThread(person);
    const opened = await openFor(person);
    const following = { query: documentOf('thread-events'), variables: { threadId: thread.id } };
    opened.send({ type: 'subscribe', id: 'live', payload: following });
    await opened.message('next', 'live');
    const lines = captureErrors();
    const failing = failStatements(broken.app.db, /./, new Error('no secret-text'));

    // Operations within a second share one look at the session, so it fails for one of the next.
    for (let count = 0; opened.messages.every(({ type }) => type !== 'error'); count++) {
      const id = `session ${count}`;
      opened.send({ type: 'subscribe', id, payload: ask });
      await Promise.race([opened.message('next', id), opened.message('error', id)]);
    }
    expect((await opened.message('error')).payload).toEqual(masked);
    failing[Symbol.dispose]();
    for (const [id, payload] of [
      ['syntax', { query: '{{{' }],
      ['unknown', { query: '{ nothing }' }],
      ['unnamed', { ...ask, operationName: 'Other' }],
      ['deep', { query: `${'{ viewer '.repeat(30)}${'}'.repeat(30)}` }],
      ['deepest', { query: '{a'.repeat(20_000) }],
    ] as const) {
      opened.send({ type: 'subscribe', id, payload });
      const { payload: errors } = await opened.message('error', id);
      expect(JSON.stringify(errors)).toMatch(/"extensions":\{"code":"(BAD_INPUT|DOCUMENT_LIMIT)"\}/);
      expect(JSON.stringify(errors)).not.toMatch(/http|stack|originalError/);
    }

    const failingAgain = failStatements(broken.app.db, /./, new Error('no secret-text'));
    announceEverywhere(broken, thread.id, [thread.id]);
    const { payload } = await opened.message('error', 'live');
    expect(payload).toEqual(masked);
    failingAgain[Symbol.dispose]();

    opened.send({ type: 'subscribe', id: 'after', payload: ask });
    expect((await opened.message('next', 'after')).payload).toEqual({
      data: { viewer: { user: { id: person.id } } },
    });
    opened.socket.terminate();
    const failures = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(failures.length).toBeGreaterThanOrEqual(2);
    expect(failures).toContainEqual(
      expect.objectContaining({ operation: 'ThreadEvents', failure: expect.any(String) }),
    );
    for (const line of failures) expect(line).toMatchObject({ requestId: expect.any(String) });
    expect(lines.join()).not.toMatch(/secret|thr_/);
  });

  test('an internal error before the connection is accepted closes the socket so that clients reconnect', async () => {
    await using broken = await startTestServer({}, { database: await freshDatabase() });
    const person = await broken.signUp();
    captureErrors();
    vi.spyOn(broken.app.db, 'select').mockImplementation(() => {
      throw new Error('no');
    });
    const opened = await openSocket(broken.url, { init: { authorization: `Bearer ${person.token}` } });
    expect(await opened.closed).toBe('1013 Try again later');
  });
});

describe('a client that is connected', () => {
  test('a client that is connected costs the server no timer that goes on', async () => {
    await using first = await startTestServer();
    const person = await first.signUp();
    using intervals = vi.spyOn(globalThis, 'setInterval');
    const opened = await Promise.all(Array.from({ length: 5 }, () => openFor(person)));
    // A statement counts the seconds until its reply.
    expect(intervals.mock.calls.filter(([, delayMs]) => Number(delayMs) > 1_000)).toEqual([]);
    for (const { socket } of opened) socket.terminate();
  });

  test('a client that is connected may not send more than a message can have, nor pieces without end', async () => {
    const large = await openFor(site.ada);
    large.socket.send('x'.repeat(512 * 1024 + 1));
    expect(await large.closed).toMatch(/^1009/);
    const pieces = await openFor(site.ada);
    for (let index = 0; index < 70; index++) pieces.socket.send('x', { fin: false });
    expect(await pieces.closed).toMatch(/^1008|^1009/);
  });

  test('a client that is connected is cut off if it goes on asking and reads nothing', async () => {
    const opened = await openFor(site.ada);
    opened.socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(500 * 1024) } });
    const before = process.memoryUsage().rss;
    for (let index = 0; index < 200 && opened.socket.readyState === opened.socket.OPEN; index++)
      await new Promise((resolve) => opened.socket.send(ping, resolve));
    opened.socket.resume();
    expect(await opened.closed).toBe('1006');
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(200);
  });

  test('a client that is connected has room for fifty operations at a time', async () => {
    const thread = await newThread(site.ada);
    const opened = await openFor(site.ada);
    const payload = { query: documentOf('thread-events'), variables: { threadId: thread.id } };
    for (let index = 0; index < 60; index++) opened.send({ type: 'subscribe', id: `${index}`, payload });
    await opened.message('next', '49');
    const { payload: errors } = await opened.message('error', '59');
    expect(errors).toEqual([
      { message: 'A socket carries at most 50 operations.', extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } },
    ]);
    opened.socket.terminate();
  });

  test('a client that is connected that does not answer the close frame does not keep the server from stopping', async () => {
    const stopping = await startTestServer();
    const person = await stopping.signUp();
    const [deaf, well] = [await openFor(person), await openFor(person)];
    deaf.socket.pause();
    const startedAt = performance.now();
    await stopping.close();
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(await well.closed).toBe('1012 Server is restarting');
    deaf.socket.terminate();
  });
});

const masked = [expect.objectContaining({ message: 'Unexpected error.', extensions: { code: 'INTERNAL' } })];

async function signOut(person: Person): Promise<void> {
  const response = await fetch(`${person.url}/api/auth/sign-out`, {
    method: 'POST',
    headers: { ...bearer(person), origin: person.url },
  });
  expect(response.status).toBe(200);
}

function bearer({ token }: Person): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
