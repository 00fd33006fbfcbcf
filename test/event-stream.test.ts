import { request } from 'node:http';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Database } from '../src/db/database.ts';
import { sessions } from '../src/db/tables/user.ts';
import { eventually } from './kit/eventually.ts';
import { documentOf, type Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let ada: Person;
let threadId: string;

beforeAll(async () => {
  server = await startTestServer();
  ada = await server.signUp();
  const input = { workspaceId: ada.workspaceId };
  threadId = (await ada.run<{ thread: { id: string } }>('create-thread', { input })).thread.id;
});

afterEach(() => vi.restoreAllMocks());

afterAll(() => server?.close());

test('a client that leaves while its subscription is prepared is not followed for ever', async () => {
  const listeners = countListeners();
  for (let round = 0; round < 30; round++) {
    const heard = listeners.opened();
    const { closed, leave } = subscribe();
    // From before the server has read anything to after the first event.
    if (round > 0) await eventually('a listener', () => listeners.opened() > heard);
    for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
    leave();
    await closed;
  }
  expect(listeners.opened()).toBeGreaterThanOrEqual(29);
  await eventually('that nobody listens', () => listeners.open() === 0);
});

test('a subscription whose session ends while it is prepared does not begin', async () => {
  const listeners = countListeners();
  afterRead(1, server.app.db, sessions, async () => {
    const token = ada.token.split('.')[0] ?? '';
    const [ended] = await server.app.db.delete(sessions).where(eq(sessions.token, token)).returning();
    server.app.changes.announce(ended?.id ?? '', [ended?.id ?? '']);
  });
  const { closed } = subscribe();
  const text = await closed;
  expect(text).toContain('"code":"UNAUTHENTICATED"');
  expect(text).not.toContain('ThreadSnapshot');
  expect(listeners.open()).toBe(0);
});

test('a subscription whose session is found to have ended while it is prepared says so', async () => {
  const grace = await server.signUp();
  // The first look says who sends the request, the second that the session has not ended since.
  afterRead(2, server.app.db, sessions, async () => {
    const [ended] = await server.app.db.delete(sessions).where(eq(sessions.userId, grace.id)).returning();
    server.app.changes.announce(ended?.id ?? '', [ended?.id ?? '']);
  });
  const input = { query: documentOf('workspace-events'), variables: { workspaceId: grace.workspaceId } };
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${grace.token}`,
    },
    body: JSON.stringify(input),
  });
  const text = await response.text();
  expect(text).toContain('"code":"UNAUTHENTICATED"');
  expect(text).not.toContain('WorkspaceSnapshot');
});

/** Follows the thread over server-sent events. `closed` gives all that was sent. */
function subscribe() {
  const body = JSON.stringify({ query: documentOf('thread-events'), variables: { threadId } });
  const call = request(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${ada.token}`,
    },
  });
  const closed = new Promise<string>((resolve) => {
    let text = '';
    call.on('response', (response) => {
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('error', () => {});
    });
    call.on('error', () => {});
    call.on('close', () => resolve(text));
  });
  call.end(body);
  return { closed, leave: () => call.destroy() };
}

/** How many listeners there are from now on, and how many there were. */
function countListeners() {
  const { changes } = server.app;
  const listen = changes.listen.bind(changes);
  const open = new Set<object>();
  let opened = 0;
  vi.spyOn(changes, 'listen').mockImplementation((topics, wake) => {
    const listener = listen(topics, wake);
    open.add(listener);
    opened++;
    const close = listener.close.bind(listener);
    listener.close = () => {
      open.delete(listener);
      close();
    };
    return listener;
  });
  return { open: () => open.size, opened: () => opened };
}

/** Does something after rows of a table were read for the nth time, before their caller gets them. */
function afterRead(number: number, db: Database, table: object, meanwhile: () => Promise<void>): void {
  const select = db.select.bind(db);
  let reads = 0;
  function delayed<Query extends object>(query: Query): Query {
    return new Proxy(query, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (key !== 'then')
          return (...words: unknown[]) => {
            const result: unknown = Reflect.apply(value, target, words);
            const isOther = key === 'from' && words[0] !== table;
            return typeof result === 'object' && result !== null && !isOther ? delayed(result) : result;
          };
        return async (...claimEnding: Parameters<Promise<unknown>['then']>) => {
          const rows: unknown = await target;
          reads += 1;
          if (reads === number) await meanwhile();
          claimEnding[0]?.(rows);
        };
      },
    });
  }
  vi.spyOn(db, 'select').mockImplementation((...words: []) => delayed(select(...words)));
}
