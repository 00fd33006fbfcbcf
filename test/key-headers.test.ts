import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { rotateTenant, verifyKeys } from '../src/keys/rotate.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { addKey, endOfAnswer, type KeyResult, rawBody, seal } from './kit/api-key.ts';
import { openReadable, type ReadableDatabase } from './kit/database-contents.ts';
import { captureLog } from './kit/log.ts';
import type { Person } from './kit/person.ts';
import { answerOf } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A CUSTOM key may have headers that its server asks for. They are secrets like the key: sealed with it, and sent with it alone. */

const CANARY = 'canary-of-a-header-value';
const HEADERS = { 'HTTP-Referer': 'https://chat.example.com', 'X-Org': CANARY };

let server: TestServer;
let database: ReadableDatabase;
let baseUrl: string;

beforeAll(async () => {
  const simulator = await startSimulator({ paceMs: 0 });
  baseUrl = simulator.baseUrls.CUSTOM;
  database = await openReadable();
  server = await startTestServer({}, { simulator, database });
  return () => simulator.close();
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

async function sealed(person: Person, headers: Record<string, string> | null, secret = 'sk-sim-good') {
  return await seal(person, { provider: 'CUSTOM', baseUrl, secret, headers });
}

async function addWith(person: Person, headers: Record<string, string>, secret?: string): Promise<KeyResult> {
  return await addKey(person, {
    provider: 'CUSTOM',
    baseUrl,
    sealed: await sealed(person, headers, secret),
  });
}

/** The headers of the calls that were made meanwhile, by the method of the call. */
async function headersDuring(act: () => Promise<unknown>): Promise<string[]> {
  const before = server.simulator.requests.length;
  await act();
  return server.simulator.requests
    .slice(before)
    .map(({ method, headers }) => `${method} ${headers['http-referer']} ${headers['x-org']}`);
}

describe('the headers of a CUSTOM key', () => {
  test('the headers of a CUSTOM key are sent with every call, before and after the tenant’s keys are sealed again', async () => {
    const ada = await server.signUp();
    const all = `${HEADERS['HTTP-Referer']} ${CANARY}`;
    let added: KeyResult | undefined;
    const listed = await headersDuring(async () => {
      added = await addWith(ada, HEADERS);
    });
    expect(new Set(listed)).toEqual(new Set([`GET ${all}`]));
    const model = added?.models[0] ?? { id: '' };
    expect(await headersDuring(() => answerOf(ada, model))).toEqual([`POST ${all}`]);

    const { db, rootKeys } = server.app;
    await rotateTenant({ db, rootKeys }, ada.workspaceId);
    expect((await verifyKeys({ db, rootKeys })).failures).toEqual([]);
    expect(await headersDuring(() => answerOf(ada, model))).toEqual([`POST ${all}`]);
    const input = { id: added?.apiKey.id };
    const checked = await headersDuring(() => ada.run('check-api-key', { input }));
    expect(new Set(checked)).toEqual(new Set([`GET ${all}`]));
  });

  test('the headers of a CUSTOM key are dropped when its secret is replaced without them', async () => {
    const ada = await server.signUp();
    const { apiKey, models } = await addWith(ada, HEADERS);
    const input = { id: apiKey.id, baseUrl, sealed: await sealed(ada, null) };
    await ada.run('replace-api-key-secret', { input });
    expect(await headersDuring(() => answerOf(ada, models[0] ?? { id: '' }))).toEqual([
      'POST undefined undefined',
    ]);
  });

  test('the headers of a CUSTOM key can carry its whole authorization if it has no secret', async () => {
    const ada = await server.signUp();
    const before = server.simulator.requests.length;
    expect(await addWith(ada, { Authorization: 'Bearer sk-sim-good' }, '')).toMatchObject({
      apiKey: { status: 'ACTIVE', hint: null },
    });
    expect(server.simulator.requests[before]?.headers.authorization).toBe('Bearer sk-sim-good');
  });

  test('the headers of a CUSTOM key are in no response, log line or row', async () => {
    const lines = captureLog();
    const ada = await server.signUp();
    const responses: unknown[] = [await addWith(ada, HEADERS)];
    const { apiKey, models } = responses[0] as KeyResult;
    const { answers } = await ada.ask('Question\nsimulate: echo', models.slice(0, 1));
    await endOfAnswer(ada, answers[0]?.id ?? '');
    responses.push(
      answers,
      await addWith(ada, HEADERS, 'sk-sim-echo'),
      await addWith(ada, HEADERS, 'sk-sim-down'),
    );
    const query = `{ workspace(id: "${ada.workspaceId}") { apiKeys { nodes { id label hint statusMessage baseUrl } }
      auditLog { nodes { action } } } }`;
    responses.push(await rawBody(ada, query), apiKey);
    for (const place of [responses, lines, await database.rows()])
      expect(JSON.stringify(place)).not.toMatch(new RegExp(`${CANARY}|chat\\.example\\.com`));
  });

  const OTHER = 'A header has a value that is empty, or has characters that no header can carry.';
  const NAME = 'A header has a name that no header can have.';
  const reserved = (name: string) => `The header ${name} is not for a key to set. Leave it out.`;
  test.each<[what: string, headers: Record<string, string>, sentence: string]>([
    ...['Host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Cookie', 'Upgrade', 'TE', 'Expect'].map(
      (name): [string, Record<string, string>, string] => [
        name,
        { [name]: 'x' },
        reserved(name.toLowerCase()),
      ],
    ),
    ['a proxy’s', { 'Proxy-Authorization': 'x' }, reserved('proxy-authorization')],
    ['another sender', { 'X-Forwarded-For': '10.0.0.1' }, reserved('x-forwarded-for')],
    ['a line break', { 'X-Org': `a\r\nHost: ${CANARY}` }, OTHER],
    ['a line feed', { 'X-Org': 'a\nb' }, OTHER],
    ['other letters', { 'X-Org': 'é' }, OTHER],
    ['an empty value', { 'X-Org': '' }, OTHER],
    ['a colon in the name', { 'X-Org: a': 'b' }, NAME],
    ['a line break in the name', { 'X-Org\r\nHost': 'b' }, NAME],
    ['no name', { '': 'b' }, NAME],
    ['a name twice', { 'X-Org': 'a', 'x-org': 'b' }, 'A header is named twice. Name each one once.'],
    [
      'the secret’s own header',
      { Authorization: 'Bearer x' },
      'The secret is sent in the header authorization. Give either it or the secret.',
    ],
    [
      'too many',
      Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`X-${index}`, 'a'])),
      'A key has at most 16 headers. Leave some out.',
    ],
    [
      'too much',
      { 'X-Org': 'a'.repeat(4_096) },
      'The headers of a key are at most 4,096 characters long together. Leave some out.',
    ],
  ])('the headers of a CUSTOM key are refused with what is wrong: %s', async (_what, headers, sentence) => {
    const ada = await server.signUp();
    expect(
      await headersDuring(async () => {
        expect(await addWith(ada, headers)).toMatchObject({
          code: 'BAD_INPUT',
          fields: [{ path: 'sealed', message: sentence }],
        });
      }),
    ).toEqual([]);
  });
});
