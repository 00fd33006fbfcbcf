import { afterEach, describe, expect, test, vi } from 'vitest';
import { sweepExpired } from '../src/accounts/sweep-sessions.ts';
import { sessions, users, verifications } from '../src/db/tables/user.ts';
import {
  createPasswordReset,
  listAccounts,
  setAccountDisabled,
  signOutAccount,
} from '../src/workspaces/control-account.ts';
import { bearer, postAccount } from './kit/account-request.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { post } from './kit/person.ts';
import { openSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const password = 'correct horse battery';

afterEach(() => vi.restoreAllMocks());

describe('a disabled person', () => {
  test('a disabled person loses sockets at once and cannot sign in, with a reason; once enabled they can', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const socket = await openSocket(server.url, { init: { authorization: `Bearer ${ada.token}` } });
    await socket.message('connection_ack');
    const disabled = await setAccountDisabled(server.app, { email: ` ${ada.email.toUpperCase()}` }, true);
    expect(disabled).toMatchObject({
      account: { userId: ada.id, email: ada.email, openSessionCount: 0 },
      endedSessionCount: 1,
    });
    expect(await socket.closed).toBe('4403 Forbidden');
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password: 'wrong' })).toBe(
      '401 INVALID_EMAIL_OR_PASSWORD',
    );
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password })).toBe(
      '403 ACCOUNT_DISABLED',
    );
    expect(await setAccountDisabled(server.app, { userId: ada.id }, false)).toMatchObject({
      account: { disabledAt: null },
    });
    expect((await postAccount(server, 'sign-in/email', { email: ada.email, password })).status).toBe(200);
    expect(await setAccountDisabled(server.app, { userId: ada.id }, false)).toMatchObject({
      account: { openSessionCount: 1 },
      endedSessionCount: 0,
    });
  }, 60_000);

  test('a disabled person is on the audit log of every place they are in', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    await setAccountDisabled(server.app, { userId: ada.id }, true);
    await setAccountDisabled(server.app, { userId: ada.id }, true);
    await setAccountDisabled(server.app, { userId: ada.id }, false);
    const again = (await postAccount(server, 'sign-in/email', { email: ada.email, password })).headers.get(
      'set-auth-token',
    );
    const query = '{ viewer { personalWorkspace { auditLog { nodes { action } } } } }';
    const { data } = await post(server.url, again, { query });
    const logged = JSON.stringify(data);
    expect(logged.match(/MEMBER_DISABLED/g)).toHaveLength(1);
    expect(logged.match(/MEMBER_ENABLED/g)).toHaveLength(1);
  }, 60_000);
});

test('a link to reset a password works once, ends every session, and is not in the database', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { token } = await createPasswordReset(server.app, { userId: ada.id });
  expect(JSON.stringify(await server.app.db.select().from(verifications))).not.toContain(token);
  const reset = (newPassword: string) => codeOf(server, 'reset-password', { token, newPassword });
  expect(await reset('short')).toBe('400 PASSWORD_TOO_SHORT');
  expect(await reset('another horse battery')).toBe('200 undefined');
  expect(await reset('a third horse battery')).toBe('400 INVALID_TOKEN');
  expect(await post(server.url, ada.token, { query: '{ viewer { id } }' })).toMatchObject({
    errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
  });
  expect(await codeOf(server, 'sign-in/email', { email: ada.email, password })).toMatch('401');
  const good = { email: ada.email, password: 'another horse battery' };
  expect(await codeOf(server, 'sign-in/email', good)).toBe('200 undefined');
}, 60_000);

test('a person lists their sessions without a token among them, and ends one by its id', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const eve = await server.signUp('Eve');
  await postAccount(server, 'sign-in/email', { email: ada.email, password });
  const list = async () =>
    (await (
      await fetch(`${server.url}/api/auth/list-sessions`, {
        headers: { authorization: `Bearer ${ada.token}` },
      })
    ).json()) as { id: string; isCurrent: boolean }[];
  const open = await list();
  expect(open.map(({ isCurrent }) => isCurrent).toSorted()).toEqual([false, true]);
  expect(Object.keys(open[0] ?? {})).toEqual([
    'id',
    'createdAt',
    'expiresAt',
    'ipAddress',
    'userAgent',
    'isCurrent',
  ]);
  const other = open.find(({ isCurrent }) => !isCurrent)?.id;
  await postAccount(server, 'revoke-session', { id: other }, bearer(eve.token));
  expect(await list()).toHaveLength(2);
  expect((await postAccount(server, 'revoke-session', { id: other }, bearer(ada.token))).status).toBe(200);
  expect(await list()).toMatchObject([{ isCurrent: true }]);
}, 60_000);

test('a person ends all their other sessions, or all of them, and with a new password gets a new one', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const signIn = async (word = password) => {
    const response = await postAccount(server, 'sign-in/email', { email: ada.email, password: word });
    return response.headers.get('set-auth-token') ?? '';
  };
  const isOpen = async (token: string) =>
    (await post(server.url, token, { query: '{ viewer { id } }' })).errors === undefined;
  const other = await signIn();
  expect((await postAccount(server, 'revoke-other-sessions', {}, bearer(ada.token))).status).toBe(200);
  expect([await isOpen(ada.token), await isOpen(other)]).toEqual([true, false]);

  const another = await signIn();
  const change = {
    currentPassword: password,
    newPassword: 'another horse battery',
    revokeOtherSessions: true,
  };
  const changed = await postAccount(server, 'change-password', change, bearer(ada.token));
  const fresh = changed.headers.get('set-auth-token') ?? '';
  expect([await isOpen(fresh), await isOpen(another), await isOpen(ada.token)]).toEqual([true, false, false]);

  const last = await signIn('another horse battery');
  expect((await postAccount(server, 'revoke-sessions', {}, bearer(fresh))).status).toBe(200);
  expect([await isOpen(fresh), await isOpen(last)]).toEqual([false, false]);
}, 60_000);

test('what has expired is deleted, and nothing else', async () => {
  const database = await freshDatabase();
  await using server = await startTestServer({}, { database });
  const ada = await server.signUp();
  await server.signUp('Bob');
  await database.db.update(sessions).set({ expiresAt: new Date(0) });
  await postAccount(server, 'sign-in/email', { email: ada.email, password });
  await sweepExpired(database);
  expect(await database.db.select().from(sessions)).toMatchObject([{ userId: ada.id }]);
  expect(await database.db.$count(users)).toBe(2);
  expect((await listAccounts(database, {})).rows).toMatchObject([
    { openSessionCount: 1 },
    { openSessionCount: 0 },
  ]);
  expect(await signOutAccount(server.app, { userId: ada.id })).toMatchObject({ endedSessionCount: 1 });
}, 60_000);

test('a server that starts deletes what expired while it was away', async () => {
  const database = await freshDatabase();
  const before = await startTestServer({}, { database: { ...database, close: async () => {} } });
  const ada = await before.signUp();
  await createPasswordReset(before.app, { userId: ada.id });
  await database.db.update(sessions).set({ expiresAt: new Date(0) });
  await database.db.update(verifications).set({ expiresAt: new Date(0) });
  await before.close();
  await using _after = await startTestServer({}, { database });
  await eventually('an empty table', async () => (await database.db.$count(sessions)) === 0);
  await eventually('an empty table', async () => (await database.db.$count(verifications)) === 0);
}, 60_000);

async function codeOf(server: TestServer, path: string, body: object): Promise<string> {
  const response = await postAccount(server, path, body);
  const { code } = (await response.json()) as { code?: string };
  return `${response.status} ${code}`;
}
