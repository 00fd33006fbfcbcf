import { execFile } from 'node:child_process';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { listAuditEntries } from '../src/audit/entry.ts';
import { rawBody } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { captureErrors } from './kit/log.ts';
import { recipe, recipeFolder } from './kit/pages.ts';
import { newTeamAndWorkspace, newWorkspace } from './kit/people.ts';
import { documentOf, type Person } from './kit/person.ts';
import { OPERATOR_TOKEN, postAsOperator, setPlan } from './kit/plan.ts';
import { openSocket } from './kit/raw-socket.ts';
import { SERVERS, startTestServer, type TestServer } from './kit/server.ts';

const HEADER = 'x-latchkey-operator-token';
const WRONG = 'wB3xQy7ZrK1oVd9NfLw5TgUe2HsCjA8iPqXn4RtYvJk=';

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
  ada = await server.signUp();
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

describe('the operator', () => {
  test('the operator sets the plan of a user, by id or email, and learns what it was and how far it reaches', async () => {
    const bob = await server.signUp('Bob');
    await newWorkspace(bob);
    const ofBob = { __typename: 'SetPlanPayload', userId: bob.id, teamId: null, workspaceCount: 2 };
    expect(await setPlan(server, { userId: bob.id }, 'FREE')).toEqual({
      ...ofBob,
      plan: 'FREE',
      previousPlan: 'BUSINESS',
      isDefault: false,
    });
    expect(await setPlan(server, { email: ` ${bob.email.toUpperCase()}` }, 'PREMIUM')).toEqual({
      ...ofBob,
      plan: 'PREMIUM',
      previousPlan: 'FREE',
      isDefault: false,
    });
    expect(await setPlan(server, { userId: bob.id }, null)).toEqual({
      ...ofBob,
      plan: 'BUSINESS',
      previousPlan: 'PREMIUM',
      isDefault: true,
    });
    const { data } = await rawBody(bob, '{ viewer { workspaces { nodes { plan } } } }');
    expect(data).toEqual({
      viewer: { workspaces: { nodes: [{ plan: 'BUSINESS' }, { plan: 'BUSINESS' }] } },
    });
  });

  test('the operator sets the plan of a team, which is that of its workspaces and of nothing else its owner has', async () => {
    const bob = await server.signUp('Bob');
    const { teamId } = await newTeamAndWorkspace(bob);
    expect(await setPlan(server, { teamId }, 'FREE')).toMatchObject({
      userId: null,
      teamId,
      plan: 'FREE',
      workspaceCount: 1,
    });
    const { data } = await rawBody(
      bob,
      '{ viewer { personalWorkspace { plan } teams(first: 5) { nodes { plan workspaces(first: 5) { nodes { plan } } } } } }',
    );
    expect(data).toEqual({
      viewer: {
        personalWorkspace: { plan: 'BUSINESS' },
        teams: { nodes: [{ plan: 'FREE', workspaces: { nodes: [{ plan: 'FREE' }] } }] },
      },
    });
  });

  test('the operator leaves an entry in every log it concerns, and none for a plan that was set already', async () => {
    const bob = await server.signUp('Bob');
    const shared = await newWorkspace(bob);
    const { teamId, workspaceId } = await newTeamAndWorkspace(bob);
    for (const plan of ['FREE', 'FREE', null, 'BUSINESS']) await setPlan(server, { userId: bob.id }, plan);
    await setPlan(server, { teamId }, 'PREMIUM');
    const entriesOf = async (tenantId: string) =>
      (await listAuditEntries(server.app, tenantId, {})).rows
        .filter(({ action }) => action === 'PLAN_CHANGED')
        .map(({ actorId, subjectId, details }) => [actorId, subjectId, details]);
    const ofUser = [
      [null, bob.id, { previousPlan: 'FREE', plan: 'BUSINESS' }],
      [null, bob.id, { previousPlan: 'BUSINESS', plan: 'FREE' }],
    ];
    expect(await entriesOf(bob.workspaceId)).toEqual(ofUser);
    expect(await entriesOf(shared)).toEqual(ofUser);
    const ofTeam = [[null, teamId, { previousPlan: 'BUSINESS', plan: 'PREMIUM' }]];
    expect(await entriesOf(teamId)).toEqual(ofTeam);
    expect(await entriesOf(workspaceId)).toEqual(ofTeam);
  });

  test.runIf(SERVERS === 1)(
    'a change by the operator is sent to followers once it is committed',
    async () => {
      const bob = await server.signUp('Bob');
      const { teamId, workspaceId } = await newTeamAndWorkspace(bob);
      const announced: string[] = [];
      for (const id of [bob.workspaceId, teamId, workspaceId])
        server.app.changes.listen(id, () => announced.push(id));
      await setPlan(server, { userId: bob.id }, 'FREE');
      expect(announced).toEqual([bob.workspaceId]);
      await setPlan(server, { teamId }, 'FREE');
      expect(announced.slice(1).sort()).toEqual([teamId, workspaceId].sort());
    },
  );

  test.each([
    ['nobody is named', { plan: 'FREE' }, 'BAD_INPUT'],
    ['two are named', { userId: 'x', teamId: 'y', plan: 'FREE' }, 'BAD_INPUT'],
    ['the plan is left out', { email: 'nobody@example.com' }, 'BAD_INPUT'],
    ['there is no such user', { userId: 'usr_00000000000000000000000000', plan: 'FREE' }, 'NOT_FOUND'],
    ['the id is none', { userId: '\0', plan: 'FREE' }, 'NOT_FOUND'],
    ['there is no such address', { email: 'nobody\0@example.com', plan: 'FREE' }, 'NOT_FOUND'],
    ['there is no such team', { teamId: 'tem_00000000000000000000000000', plan: 'FREE' }, 'NOT_FOUND'],
  ])('the operator gets an error that says what to fix when %s', async (_what, input, code) => {
    const { body } = await postAsOperator(server.url, { input });
    expect(body.data).toMatchObject({ setPlan: { code, fixableBy: 'YOU' } });
  });
});

describe('a sender without the operator token', () => {
  test('a sender without the operator token gets one and the same answer, whatever they send and whatever there is', async () => {
    await using without = await startTestServer();
    const inputs = [
      { userId: ada.id, plan: 'FREE' },
      { email: ada.email, plan: null },
      { userId: 'usr_00000000000000000000000000', plan: 'FREE' },
      {},
    ];
    const signedIn = { authorization: `Bearer ${ada.token}` };
    const { token } = await without.signUp();
    const signedInThere = { authorization: `Bearer ${token}` };
    const answers = new Set<string>();
    for (const input of inputs)
      for (const [url, headers] of [
        [server.url, {}],
        [server.url, signedIn],
        [server.url, { [HEADER]: WRONG }],
        [without.url, { [HEADER]: OPERATOR_TOKEN }],
        [without.url, signedInThere],
      ] as [string, Record<string, string>][]) {
        const { status, text } = await postAsOperator(url, { input }, headers);
        answers.add(`${status} ${text}`);
      }
    expect([...answers].map((answer) => [answer.slice(0, 3), JSON.parse(answer.slice(4))])).toEqual([
      [
        '200',
        {
          data: {
            setPlan: {
              __typename: 'NotPermittedError',
              code: 'NOT_PERMITTED',
              message: 'Only the operator of this server may set plans.',
              fixableBy: 'OPERATOR',
              retryAt: null,
              requiredRole: null,
            },
          },
        },
      ],
    ]);
    const { data } = await rawBody(ada, '{ viewer { personalWorkspace { plan } } }');
    expect(data).toEqual({ viewer: { personalWorkspace: { plan: 'BUSINESS' } } });
  });

  test('a sender without the operator token cannot bring the token over a socket', async () => {
    const headers = { [HEADER]: OPERATOR_TOKEN };
    const init = { authorization: `Bearer ${ada.token}`, ...headers };
    const socket = await openSocket(server.url, { init, headers });
    await socket.message('connection_ack');
    const variables = { input: { userId: ada.id, plan: 'FREE' } };
    socket.send({ id: '1', type: 'subscribe', payload: { query: documentOf('set-plan'), variables } });
    expect(await socket.message('next')).toMatchObject({
      payload: { data: { setPlan: { code: 'NOT_PERMITTED' } } },
    });
    socket.socket.close();
  });
});

describe('the token', () => {
  test('the operator token authenticates no person and opens nothing else', async () => {
    const headers = { 'content-type': 'application/json', [HEADER]: OPERATOR_TOKEN };
    const ask = async (query: string) =>
      (await (
        await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
      ).json()) as object;
    expect(
      await ask(
        `{ viewer { id } workspace(id: "${ada.workspaceId}") { id } node(id: "${ada.workspaceId}") { id } }`,
      ),
    ).toEqual({ data: { viewer: null, workspace: null, node: null } });
    expect(
      await ask(
        `mutation { createThread(input: { workspaceId: "${ada.workspaceId}" }) { ... on NotFoundError { code } } }`,
      ),
    ).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  test('the operator token is not checked after ten wrong ones from an address, also if it is right', async () => {
    await using limited = await startTestServer({
      LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN,
      LATCHKEY_TRUSTED_PROXIES: '127.0.0.1',
    });
    const bob = await limited.signUp('Bob');
    const send = (token: string | undefined, address = '203.0.113.7') =>
      postAsOperator(
        limited.url,
        { input: { userId: bob.id, plan: 'FREE' } },
        { 'x-forwarded-for': address, ...(token !== undefined && { [HEADER]: token }) },
      );
    for (let tries = 0; tries < 20; tries++) expect((await send(OPERATOR_TOKEN)).status).toBe(200);
    for (let tries = 0; tries < 10; tries++) expect((await send(WRONG)).status).toBe(200);
    for (const token of [WRONG, OPERATOR_TOKEN]) {
      const refused = await send(token);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(590);
      expect(refused.body.errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
    }
    expect((await send(undefined)).body.data).toMatchObject({ setPlan: { code: 'NOT_PERMITTED' } });
    expect((await send(OPERATOR_TOKEN, '203.0.113.8')).body.data).toMatchObject({
      setPlan: { plan: 'FREE' },
    });
  });

  test('the operator token is in no log line, right or wrong, not even of a request that fails', async () => {
    await using broken = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
    const bob = await broken.signUp('Bob');
    const lines = captureErrors();
    vi.spyOn(broken.app.db, 'transaction').mockRejectedValue(new Error(OPERATOR_TOKEN));
    const input = { userId: bob.id, plan: 'FREE' };
    const { text } = await postAsOperator(broken.url, { input });
    await postAsOperator(broken.url, { input }, { [HEADER]: WRONG });
    expect(text).toContain('INTERNAL');
    expect(lines).toHaveLength(1);
    expect(lines.join() + text).not.toMatch(/B3xQy7Zr/);
  });

  test('the operator token is refused at the start if it was typed, can be read by others or is given twice', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'latchkey-token-')), 'operator.token');
    await writeFile(file, `${OPERATOR_TOKEN}\n`, { mode: 0o600 });
    const start = async (env: Record<string, string>) => {
      await using started = await startTestServer(env);
      const bob = await started.signUp('Bob');
      return await setPlan(started, { userId: bob.id }, 'FREE');
    };
    await expect(start({ LATCHKEY_OPERATOR_TOKEN: 'let-me-in' })).rejects.toThrow(
      /^LATCHKEY_OPERATOR_TOKEN .* openssl rand -base64 32$/,
    );
    await expect(start({ LATCHKEY_OPERATOR_TOKEN: '' })).rejects.toThrow(/is empty/);
    await expect(
      start({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN, LATCHKEY_OPERATOR_TOKEN_FILE: file }),
    ).rejects.toThrow('LATCHKEY_OPERATOR_TOKEN and LATCHKEY_OPERATOR_TOKEN_FILE are both set.');
    expect(await start({ LATCHKEY_OPERATOR_TOKEN_FILE: file })).toMatchObject({ plan: 'FREE' });
    await chmod(file, 0o644);
    await expect(start({ LATCHKEY_OPERATOR_TOKEN_FILE: file })).rejects.toThrow('is open to other users');
  });
});

test('the recipe for a billing system sets a plan', async () => {
  const database = await freshDatabase();
  await using billed = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN }, { database });
  await fetch(`${billed.url}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: billed.url },
    body: JSON.stringify({ name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' }),
  });
  using folder = recipeFolder();
  folder.write('operator.token', `${OPERATOR_TOKEN}\n`);
  const code = recipe('set-plan', billed.url);
  const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', code], {
    cwd: folder.path,
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    data: { setPlan: { plan: 'PREMIUM', previousPlan: 'BUSINESS', workspaceCount: 0 } },
  });
});

test('a page of a foreign origin cannot send the header', async () => {
  const asked = await fetch(`${server.url}/graphql`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://evil.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': HEADER,
    },
  });
  expect(asked.headers.get('access-control-allow-headers')).toBeNull();
});
