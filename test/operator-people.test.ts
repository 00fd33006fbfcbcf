import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { askHeld, follow, isEnd, TRANSPORTS } from './kit/answer.ts';
import { runCommand } from './kit/command.ts';
import { freshDatabase } from './kit/database.ts';
import { auditOf, letIn, newWorkspace } from './kit/people.ts';
import { documentOf, type NamedModel, type Person, post, signUp } from './kit/person.ts';
import { OPERATOR_TOKEN, postAsOperator } from './kit/plan.ts';
import { newPlace, startServerProcess } from './kit/process.ts';
import { openFor, openSocket } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { startTickingProvider } from './kit/ticking-provider.ts';

const password = 'correct horse battery';

/** What is promised, and as much again for a machine that is busy with other tests. */
const PROMISED_MS = 2 * 1_000;
const PROCESS_TIMEOUT_MS = 120_000;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
});
afterAll(() => server.close());

interface Result {
  __typename: string;
  code: string;
  message: string;
  account: { userId: string; email: string; disabledAt: string | null; openSessionCount: number };
  endedSessionCount: number;
  url: string;
  expiresAt: string;
}

describe('the operator, by mutation', () => {
  test('the operator disables a person: their sockets, event streams and running answers end within a second, and sign-in is refused with a sentence', async () => {
    const ada = await server.signUp();
    const bob = await server.signUp('Bob');
    const shared = await newWorkspace(ada);
    await letIn(ada, shared, bob, 'MEMBER');
    const input = { workspaceId: shared, provider: 'OPENAI', secret: `sk-sim-${crypto.randomUUID()}` };
    const { models } = await ada.run<{ models: NamedModel[] }>('add-api-key', { input });
    const { thread } = await bob.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: shared, visibility: 'WORKSPACE' },
    });
    const held = await askHeld(server.simulator, bob, models[0] as NamedModel, { threadId: thread.id });
    const open = await openAll(bob, held.answerId, thread.id);
    const end = endOf(ada, held.answerId);

    const startedAt = performance.now();
    const disabled = await act('disable-user', { email: bob.email });
    expect(disabled).toMatchObject({
      __typename: 'DisableUserPayload',
      account: { userId: bob.id, email: bob.email, openSessionCount: 0 },
      endedSessionCount: 1,
    });
    expect(disabled.account.disabledAt).not.toBeNull();
    expect(await open.closed).toBe('4403 Forbidden');
    await open.streamEnded;
    expect(await end).toMatchObject({ __typename: 'AnswerFailed', error: { code: 'NOT_PERMITTED' } });
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeLessThan(PROMISED_MS);
    say(`everything of a disabled person had ended after ${Math.round(tookMs)} ms`);

    expect(await signIn(server.url, bob.email)).toEqual({
      status: 403,
      code: 'ACCOUNT_DISABLED',
      message: 'This account is disabled. Ask the operator of this server.',
    });
    expect(await codeOf(bob)).toBe('UNAUTHENTICATED');
    expect(await act('enable-user', { userId: bob.id })).toMatchObject({ account: { disabledAt: null } });
    expect((await signIn(server.url, bob.email)).status).toBe(200);
    expect(await auditOf(server, shared)).toEqual(
      expect.arrayContaining(['MEMBER_DISABLED', 'MEMBER_ENABLED']),
    );
  });

  test('the operator signs a person out everywhere and lets them sign in again', async () => {
    const ada = await server.signUp();
    const socket = await openFor(ada);
    expect(await act('sign-out-user', { userId: ada.id })).toMatchObject({
      __typename: 'SignOutUserPayload',
      account: { openSessionCount: 0, disabledAt: null },
      endedSessionCount: 1,
    });
    expect(await socket.closed).toBe('4403 Forbidden');
    expect((await signIn(server.url, ada.email)).status).toBe(200);
    expect(await act('enable-user', { userId: ada.id })).toMatchObject({ account: { openSessionCount: 1 } });
  });

  test('the operator makes a link for a forgotten password that works once and ends all sessions', async () => {
    const ada = await server.signUp();
    const startedAt = Date.now();
    const { url, expiresAt, account } = await act('create-password-reset', { email: ada.email });
    expect(account.userId).toBe(ada.id);
    expect(new Date(expiresAt).getTime() - startedAt).toBeGreaterThan(59 * 60 * 1_000);
    expect(url).toMatch(new RegExp(`^${server.url}/reset-password#\\S{32}$`));
    const token = new URL(url).hash.slice(1);
    const reset = { token, newPassword: 'another horse battery' };
    expect((await postAuth(server.url, 'reset-password', reset)).status).toBe(200);
    expect((await postAuth(server.url, 'reset-password', reset)).status).toBe(400);
    expect(await codeOf(ada)).toBe('UNAUTHENTICATED');
  });

  test('the operator lists all accounts, oldest first, a page at a time', async () => {
    await using other = await startTestServer(
      { LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN },
      { database: await freshDatabase() },
    );
    const people: Person[] = [];
    for (const name of ['Ada', 'Bob', 'Cid']) people.push(await other.signUp(name));
    const read = async (variables: object) => {
      const { body } = await postAsOperator(other.url, variables, undefined, 'accounts');
      return body.data?.accounts as {
        edges: { cursor: string; node: { userId: string } }[];
        pageInfo: object;
      };
    };
    const first = await read({ first: 2 });
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const rest = await read({ first: 2, after: first.edges[1]?.cursor });
    expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect([...first.edges, ...rest.edges].map(({ node }) => node)).toMatchObject(
      people.map(({ id, email }) => ({ userId: id, email, disabledAt: null, openSessionCount: 1 })),
    );
  });

  test.each(['disable-user', 'enable-user', 'sign-out-user', 'create-password-reset'])(
    'the operator gets an error from %s that says what to fix',
    async (operation) => {
      expect(await act(operation, {})).toMatchObject({
        code: 'BAD_INPUT',
        message: 'Give one of `userId` and `email`.',
      });
      expect(await act(operation, { email: 'nobody@example.com' })).toMatchObject({ code: 'NOT_FOUND' });
    },
  );
});

test.each(['disable-user', 'enable-user', 'sign-out-user', 'create-password-reset', 'accounts'])(
  'every other sender gets the same answer to %s, and nothing happens',
  async (operation) => {
    const ada = await server.signUp();
    const answers = new Set<string>();
    const answerTo = async (input: object, headers: Record<string, string>) =>
      (await postAsOperator(server.url, { input }, headers, operation)).text;
    for (const input of [{ userId: ada.id }, { email: 'nobody@example.com' }, {}]) {
      answers.add(await answerTo(input, {}));
      answers.add(await answerTo(input, { authorization: `Bearer ${ada.token}` }));
    }
    const wrong = OPERATOR_TOKEN.replace('m', 'n');
    answers.add(await answerTo({ userId: ada.id }, { 'x-latchkey-operator-token': wrong }));
    const socket = await openSocket(server.url, {
      init: { authorization: `Bearer ${ada.token}`, 'x-latchkey-operator-token': OPERATOR_TOKEN },
      headers: { 'x-latchkey-operator-token': OPERATOR_TOKEN },
    });
    await socket.message('connection_ack');
    const variables = operation === 'accounts' ? {} : { input: { userId: ada.id } };
    socket.send({ id: '1', type: 'subscribe', payload: { query: documentOf(operation), variables } });
    answers.add(JSON.stringify((await socket.message('next')).payload));
    socket.socket.close();
    expect(answers.size).toBe(1);
    expect([...answers][0]).toMatch(
      operation === 'accounts' ? '{"data":{"accounts":null}}' : '"code":"NOT_PERMITTED"',
    );
    expect(await codeOf(ada)).toBeUndefined();
  },
);

describe('a command beside a running server', () => {
  test(
    'disables a person, whose sockets, event streams and running answers end within a second of its end',
    async () => {
      await using provider = await startTickingProvider();
      const { withToken } = await newServedPlace({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
      const { url } = await startServerProcess(withToken);
      const ada = await signUp(url);
      const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
      const sent = await ada.ask('Tell me more', models);
      const answerId = sent.answers[0]?.id ?? '';
      const open = await openAll(ada, answerId, sent.thread.id);
      expect(await runCommand(['user', 'list'], withToken)).toMatchObject({
        exitCode: 0,
        out: expect.stringMatching(new RegExp(`^${ada.id}  ${ada.email}  Ada  since \\S+  1 session$`)),
      });
      expect(await runCommand(['user', 'disable', ada.email], withToken)).toEqual({
        exitCode: 0,
        out: `${ada.email} (${ada.id}) is disabled: 1 session ended.`,
        error: '',
      });
      const startedAt = performance.now();
      expect(await open.closed).toBe('4403 Forbidden');
      await open.streamEnded;
      expect(performance.now() - startedAt).toBeLessThan(PROMISED_MS);
      expect(await signIn(url, ada.email)).toMatchObject({ status: 403, code: 'ACCOUNT_DISABLED' });

      expect((await runCommand(['user', 'enable', ada.id], withToken)).out).toMatch('can sign in.');
      const token = (await signIn(url, ada.email)).token ?? '';
      const query = `{ node(id: "${answerId}") { ... on Answer { status error { code } } } }`;
      expect(await post(url, token, { query })).toEqual({
        data: { node: { status: 'FAILED', error: { code: 'NOT_PERMITTED' } } },
      });
      expect((await runCommand(['user', 'sign-out', ada.email], withToken)).out).toBe(
        `${ada.email} (${ada.id}) is signed out everywhere: 1 session ended.`,
      );
      const { out } = await runCommand(['user', 'reset-password', ada.email], withToken);
      expect(out).toMatch(/once, within an hour, at http:\/\/127\.0\.0\.1:\d+\/reset-password#\S{32}$/);
      expect(await runCommand(['user', 'sign-out', 'nobody@example.com'], withToken)).toMatchObject({
        exitCode: 1,
        error: 'There is no account nobody@example.com.',
      });
    },
    PROCESS_TIMEOUT_MS,
  );

  test.runIf(inject('postgresUrl') === undefined)(
    'without a token, or with another one, says in a sentence what to do',
    async () => {
      const { env, withToken } = await newServedPlace();
      const { url } = await startServerProcess(withToken);
      await signUp(url);
      expect(await runCommand(['user', 'list'], env)).toEqual({
        exitCode: 78,
        out: '',
        error: `A server at ${url} is using the data folder ${env.LATCHKEY_DATA_DIR}. Set LATCHKEY_OPERATOR_TOKEN_FILE to the file with the operator token of that server, so that this command can ask it, or stop it first.`,
      });
      const other = OPERATOR_TOKEN.replace('m', 'n');
      for (const words of [['list'], ['sign-out', 'nobody@example.com']])
        expect(await runCommand(['user', ...words], { ...env, LATCHKEY_OPERATOR_TOKEN: other })).toEqual({
          exitCode: 1,
          out: '',
          error: `The server at ${url} does not accept this operator token. Start it with the same LATCHKEY_OPERATOR_TOKEN_FILE, or stop it first.`,
        });
    },
    PROCESS_TIMEOUT_MS,
  );
});

/** A place for a server, and the same with an operator token in a file. */
async function newServedPlace(more: Record<string, string> = {}) {
  const file = join(await mkdtemp(join(tmpdir(), 'latchkey-operator-')), 'token');
  await writeFile(file, OPERATOR_TOKEN);
  await chmod(file, 0o600);
  const env: Record<string, string> = { ...(await newPlace()), ...more };
  return { env, withToken: { ...env, LATCHKEY_OPERATOR_TOKEN_FILE: file } };
}

/** A socket and an event stream of a person, each following something. */
async function openAll(person: Person, answerId: string, threadId: string) {
  const socket = await openFor(person);
  const payload = { query: documentOf('answer-events'), variables: { answerId } };
  socket.send({ id: '1', type: 'subscribe', payload });
  const stream = TRANSPORTS['server-sent events'](person);
  const events = follow(stream, 'thread-events', { threadId });
  await events.next(); // it has begun
  return { closed: socket.closed, streamEnded: endOfStream(events) };
}

async function endOfStream(events: AsyncGenerator<unknown>): Promise<void> {
  try {
    for await (const _event of events);
  } catch {
    // Other tests check the error; here it matters that it ends.
  }
}

async function endOf(person: Person, answerId: string): Promise<unknown> {
  const client = TRANSPORTS.WebSocket(person);
  try {
    for await (const event of follow(client, 'answer-events', { answerId })) if (isEnd(event)) return event;
    return 'no end';
  } finally {
    await client.dispose();
  }
}

async function act(operation: string, input: object): Promise<Result> {
  const { body } = await postAsOperator(server.url, { input }, undefined, operation);
  if (body.data == null) throw new Error(JSON.stringify(body));
  return Object.values(body.data)[0] as Result;
}

async function codeOf({ url, token }: Person): Promise<string | undefined> {
  const { errors } = await post(url, token, { query: '{ viewer { id } }' });
  return errors?.[0]?.extensions.code;
}

async function signIn(url: string, email: string) {
  const response = await postAuth(url, 'sign-in/email', { email, password });
  const { code, message, token } = (await response.json()) as Record<string, string | undefined>;
  return response.ok ? { status: 200, token } : { status: response.status, code, message };
}

async function postAuth(url: string, path: string, body: object): Promise<Response> {
  return await fetch(`${url}/api/auth/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify(body),
  });
}
