import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sessions } from '../src/db/tables/user.ts';
import { documentOf, type Person } from './kit/person.ts';
import { openFor, type RawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { recordStatements } from './kit/statements.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

describe('the session of a socket that stays open', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  let ada: Person;
  let opened: RawSocket;
  beforeEach(async () => {
    ada = await server.signUp();
    opened = await openFor(ada);
    return () => opened.socket.terminate();
  });

  const ownSession = () => eq(sessions.userId, ada.id);

  async function expireAt(time: number, { id } = ada): Promise<void> {
    await server.app.db
      .update(sessions)
      .set({ expiresAt: new Date(time) })
      .where(eq(sessions.userId, id));
  }

  async function expiresAt(): Promise<number> {
    const [session] = await server.app.db.select().from(sessions).where(ownSession());
    return session?.expiresAt.getTime() ?? 0;
  }

  function ask(id: string): void {
    opened.send({ type: 'subscribe', id, payload: { query: '{ viewer { user { name } } }' } });
  }

  test('the session of a socket that stays open is looked up with one statement for all operations of a moment', async () => {
    using recorded = recordStatements();
    for (const id of ['1', '2']) opened.send({ type: 'subscribe', id, payload: { query: '{ __typename }' } });
    await Promise.all([opened.message('next', '1'), opened.message('next', '2')]);
    // All sessions are looked at every half second too, but for nothing of the person's.
    expect(recorded.texts.filter((text) => /"email".* from "sessions"/.test(text))).toHaveLength(1);
  });

  test('the session of a socket that stays open is renewed by an operation once it is a day old, and not before', async () => {
    const today = Date.now() + 6.5 * DAY_MS;
    await expireAt(today);
    ask('1');
    await opened.message('next', '1');
    expect(await expiresAt()).toBe(today);

    await expireAt(Date.now() + 5.9 * DAY_MS);
    // Operations within a second share one look at the session.
    for (let id = 2; (await expiresAt()) < Date.now() + 6.9 * DAY_MS; id++) {
      ask(`${id}`);
      await opened.message('next', `${id}`);
    }
  });

  test('the session of a socket that stays open lets no operation through once it has expired', async () => {
    await expireAt(Date.now() - 1);
    ask('1');
    expect(await opened.closed).toBe('4403 Forbidden');
    expect(opened.messages.map(({ type }) => type)).not.toContain('next');
  });

  test('an expired session closes its socket without an operation or announcement', async () => {
    await expireAt(Date.now() + 1_500);
    expect(await opened.closed).toBe('4403 Forbidden');
  });

  test('the session of a socket that stays open ends an event stream when it runs out', async () => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ada.token}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({
        query: documentOf('workspace-events'),
        variables: { workspaceId: ada.workspaceId },
      }),
    });
    await expireAt(Date.now() + 1_500);
    await expect(response.text()).rejects.toThrow('terminated');
  });

  test('the session of a socket that stays open does not close it at the time that it had first, once it was prolonged', async () => {
    const end = Date.now() + 1_500;
    await expireAt(end);
    ask('1');
    await opened.message('next', '1');
    // The look at all sessions that closes this one found the other one prolonged.
    const eve = await server.signUp();
    const lapsing = await openFor(eve);
    await expireAt(end, eve);
    expect(await lapsing.closed).toBe('4403 Forbidden');
    ask('2');
    await opened.message('next', '2');
  });

  test('a session that another process has deleted closes its open socket', async () => {
    await server.app.db.delete(sessions).where(ownSession());
    expect(await opened.closed).toBe('4403 Forbidden');
  });

  test('the session of a socket that stays open shows a changed name to the next operation', async () => {
    const response = await fetch(`${server.url}/api/auth/update-user`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ada.token}`,
        'content-type': 'application/json',
        origin: server.url,
      },
      body: JSON.stringify({ name: 'Grace' }),
    });
    expect(response.status).toBe(200);
    ask('1');
    expect(await opened.message('next', '1')).toMatchObject({
      payload: { data: { viewer: { user: { name: 'Grace' } } } },
    });
  });
});
