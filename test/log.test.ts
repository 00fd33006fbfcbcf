import { afterEach, describe, expect, test, vi } from 'vitest';
import { bearer, postAccount } from './kit/account-request.ts';
import { endOfAnswer } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import { captureLog } from './kit/log.ts';
import type { Person } from './kit/person.ts';
import { openSocket } from './kit/raw-socket.ts';
import { DEFAULT_ATTEMPTS, startTestServer } from './kit/server.ts';

afterEach(() => vi.restoreAllMocks());

interface Line {
  level: number;
  msg: string;
  requestId?: string;
  operation?: string;
  userId?: string;
  code?: string;
  ms?: number;
  status?: string | number;
}

describe('a line is logged', () => {
  test('a log line is written for every refused sign-in, wrong password and limit, under the id of the response, without what was sent', async () => {
    await using server = await startTestServer(
      {},
      { attempts: { ...DEFAULT_ATTEMPTS, signInsPerAccount: 2 } },
    );
    const { id, email, token } = await server.signUp();
    const lines = captureLog();
    const password = `canary-${crypto.randomUUID()}`;
    const tries = [
      await postAccount(server, 'sign-in/email', { email, password }),
      await postAccount(
        server,
        'change-password',
        { currentPassword: password, newPassword: password },
        bearer(token),
      ),
      await postAccount(server, 'sign-in/email', { email, password }),
      await postAccount(server, 'sign-up/email', { email, password, name: 'Ada' }),
      await postAccount(server, 'sign-up/email', { email: 'x', password, name: 'Ada' }),
    ];
    await eventually('all are logged', () => lines.length >= 5);
    const logged = lines.map((line) => JSON.parse(line) as Line);
    expect(
      tries.map((response) => logged.find(({ requestId }) => requestId === idOf(response))),
    ).toMatchObject([
      { operation: '/sign-in/email', status: 401, code: 'INVALID_EMAIL_OR_PASSWORD', userId: id },
      { operation: '/change-password', status: 400, code: 'INVALID_PASSWORD', userId: id },
      { operation: '/sign-in/email', status: 429, code: 'RATE_LIMITED', userId: id, level: 40 },
      { operation: '/sign-up/email', status: 422, code: 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL' },
      { operation: '/sign-up/email', status: 400, code: expect.any(String) },
    ]);
    for (const { ms, requestId } of logged)
      expect([ms, requestId]).toEqual([expect.any(Number), expect.any(String)]);
    expect(lines.join()).not.toMatch(/canary|@/);
  }, 60_000);

  test('a log line is written for every operation that failed or was refused, over HTTP and socket, with its name and code', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const lines = captureLog();
    const answers = [
      await send(ada, 'query Unknown { nothing }'),
      await send(
        ada,
        `mutation Add { addApiKey(input: { workspaceId: "wsp_0", provider: OPENAI, secret: "canary" }) { __typename } }`,
      ),
      await send({ ...ada, token: 'wrong.token' }, 'query Who { viewer { id } }'),
    ];
    vi.spyOn(server.app.db, 'select').mockImplementationOnce(() => {
      throw new TypeError('canary');
    });
    answers.push(
      await send(ada, 'query Broken { providers { name } viewer { workspaces { nodes { id } } } }'),
    );
    const socket = await openSocket(server.url, { init: { authorization: `Bearer ${ada.token}` } });
    await socket.message('connection_ack');
    socket.send({
      type: 'subscribe',
      id: '1',
      payload: { query: 'query OnSocket { node(id: 1.5) { id } }' },
    });
    await socket.message('error');
    const stranger = await openSocket(server.url, { init: { authorization: 'Bearer wrong.token' } });
    await stranger.closed;
    socket.socket.terminate();
    await eventually('all are logged', () => lines.length >= 6);
    const logged = lines.map((line) => JSON.parse(line) as Line);
    for (const answer of answers) expect(logged.map(({ requestId }) => requestId)).toContain(idOf(answer));
    const codes = logged.map(({ operation, code, msg }) => `${operation} ${code} ${msg}`);
    expect(codes).toEqual(
      expect.arrayContaining([
        'undefined BAD_INPUT an operation failed',
        'Add NOT_FOUND an operation failed',
        'undefined UNAUTHENTICATED an operation failed',
        'undefined UNAUTHENTICATED a socket was refused',
      ]),
    );
    expect(
      logged.filter(({ msg, userId }) => msg === 'an operation failed' && userId === ada.id),
    ).not.toEqual([]);
    expect(lines.join()).not.toMatch(/canary|@/);
  });

  test('a log line is written for the end of every answer, good or not, with the code that it failed with', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const { models } = await ada.addKey('OPENAI');
    const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
    const lines = captureLog();
    const good = await ada.ask('canary', [model]);
    const bad = await ada.ask('canary\nsimulate: cut', [model]);
    const ids = [good, bad].map(({ answers }) => answers[0]?.id ?? '');
    for (const id of ids) await endOfAnswer(ada, id);
    const ends = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'an answer ended');
    expect(ends).toMatchObject([
      { answerId: ids[0], status: 'COMPLETE', provider: 'OPENAI', ms: expect.any(Number), level: 30 },
      { answerId: ids[1], status: 'FAILED', code: expect.any(String), level: 40 },
    ]);
    for (const { apiKeyId, requestId } of ends)
      expect([apiKeyId, requestId]).toEqual([expect.stringMatching(/^key_/), expect.any(String)]);
    expect(lines.join()).not.toMatch(/canary|@/);
  });
});

async function send({ url, token }: Pick<Person, 'url' | 'token'>, query: string): Promise<Response> {
  return await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
}

function idOf(response: Response): string | null {
  return response.headers.get('x-request-id');
}
