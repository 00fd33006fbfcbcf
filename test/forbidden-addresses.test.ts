import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { newId } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { apiKeyModels, models } from '../src/db/tables/model.ts';
import { sealedColumns } from '../src/keys/submitted-secret.ts';
import { FORBIDDEN_URLS } from './fixtures/forbidden-addresses.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { type Event, type Follower, readAnswer } from './kit/answer.ts';
import { addKey, type KeyResult, keysOf } from './kit/api-key.ts';
import { type CanaryServer, startCanaryServer } from './kit/canary-server.ts';
import { freshDatabase } from './kit/database.ts';
import { captureErrors } from './kit/log.ts';
import { type AddedKey, type Person, personOf } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/**
 * Every spelling of a forbidden address, on every way on which the product calls the address of a key: when it is pasted, when
 * a stored one is checked or listed, and when it answers. A row with such an address can be genuine: the operator allowed it
 * once and no longer does.
 */

let canary: CanaryServer;
let server: TestServer;
let ada: Person;
let urls: readonly string[];
beforeAll(async () => {
  canary = await startCanaryServer();
  server = await startTestServer();
  ada = await server.signUp();
  urls = FORBIDDEN_URLS.map((url) => (isLoopback(url) ? atPort(url, canary.port) : url));
  const leading = urls.filter((url, index) => url !== FORBIDDEN_URLS[index]).length;
  say(`${urls.length} spellings, ${leading} of which lead to a server that listens`);
  liftCheckLimits(server); // more than a person may check in ten minutes
});
afterAll(async () => {
  vi.restoreAllMocks();
  await server.close();
  await canary[Symbol.asyncDispose]();
});

/** The outcome as a client sees it. */
interface Outcome {
  code: string;
  message: string;
  fixableBy: string;
}

test('a forbidden address is refused where it is pasted', async () => {
  const pasted = [...new Set([...urls, ...FORBIDDEN_URLS])];
  const added = await each(pasted, (baseUrl) => addKey(ada, { provider: 'CUSTOM', secret: SECRET, baseUrl }));
  const { apiKey } = await ada.addKey('CUSTOM', SECRET, { baseUrl: server.simulator.baseUrls.CUSTOM });
  const replaced = await each(pasted, (baseUrl) =>
    ada.run<KeyResult>('replace-api-key-secret', { input: { id: apiKey.id, secret: SECRET, baseUrl } }),
  );
  for (const { __typename } of [...added, ...replaced]) expect(__typename).toBe('InvalidInputError');
  for (const { fields } of added) expect(fields).toMatchObject([{ path: 'baseUrl' }]);
  report('addApiKey', added, 'BAD_INPUT');
  report('replaceApiKeySecret', replaced, 'BAD_INPUT');
  expect(await keysOf(ada)).toMatchObject([{ baseUrl: server.simulator.baseUrls.CUSTOM }]);
}, 60_000);

test('a stored key of a forbidden address is not checked there', async () => {
  const eve = await server.signUp('Eve');
  const stored = await each(urls, (baseUrl) => store(eve, baseUrl));
  const checked = await each(stored, ({ apiKey }) =>
    eve.run<KeyResult>('check-api-key', { input: { id: apiKey.id } }),
  );
  for (const { __typename } of checked) expect(__typename).toBe('ProviderUnavailableError');
  report('checkApiKey of a stored key', checked, 'NETWORK');
}, 60_000);

test('a stored key of a forbidden address answers nothing from there', async () => {
  const eve = await server.signUp('Eve');
  const stored = await each(urls, (baseUrl) => store(eve, baseUrl));
  const client = eve.socket();
  const lines = captureErrors();
  const outcomes = await each(stored, async (key) => {
    const end = await answerOf(eve, key, client);
    expect(end).toMatchObject({ __typename: 'AnswerFailed', answer: { status: 'FAILED', text: '' } });
    return end?.error ?? { code: '', message: '', fixableBy: '' };
  });
  await client.dispose();
  report('an answer with a stored key', outcomes, 'NETWORK');
  expect(lines).toEqual([]);
}, 60_000);

test('an address that the operator allowed once is forbidden as soon as it is not allowed any more', async () => {
  const database = await freshDatabase();
  const options = { database: { ...database, close: async () => {} } };
  const env = { LATCHKEY_AUTH_SECRET: 'o3q1Zc8VhFq2mXbY5tN7rW0kLpS9dGjE4uIaT6fHxQM=' };
  const hosts = [`127.0.0.1:${canary.port}`, `[::1]:${canary.port}`];
  let added: AddedKey[];
  let token: string;
  const before = canary.connections;
  {
    const allowing = { ...env, LATCHKEY_ALLOWED_PRIVATE_HOSTS: hosts.join() };
    await using allowed = await startTestServer(allowing, options);
    const eve = await allowed.signUp('Eve');
    token = eve.token;
    added = await each(hosts, (host) => eve.addKey('CUSTOM', SECRET, { baseUrl: `http://${host}/v1` }));
    for (const { apiKey } of added) expect(apiKey.status).toBe('ACTIVE');
    const client = eve.socket();
    for (const key of added)
      expect(await answerOf(eve, key, client)).toMatchObject({ answer: { text: 'Let in.' } });
    await client.dispose();
  }
  const connections = canary.connections - before;
  expect(connections).toBeGreaterThanOrEqual(2);
  {
    await using strict = await startTestServer(env, options);
    const eve = await personOf(strict.url, '', token);
    const client = eve.socket();
    for (const key of added) {
      const input = { id: key.apiKey.id };
      expect(await eve.run('check-api-key', { input })).toMatchObject({ code: 'NETWORK' });
      expect(await answerOf(eve, key, client)).toMatchObject({ error: { code: 'NETWORK' } });
    }
    await client.dispose();
  }
  expect(canary.connections - before).toBe(connections);
  say(`allowed once: ${connections} connections; not allowed any more: 0`);
  await database.close();
});

/** A few at a time. */
async function each<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let first = 0; first < items.length; first += AT_A_TIME)
    results.push(...(await Promise.all(items.slice(first, first + AT_A_TIME).map(act))));
  return results;
}

/** Puts in a key for this address, sealed as the product seals, with a model that it offers. */
async function store(person: Person, baseUrl: string): Promise<Pick<AddedKey, 'apiKey' | 'models'>> {
  const { db, rootKeys } = server.app;
  const place = { workspaceId: person.workspaceId, provider: 'CUSTOM' as const, baseUrl };
  const key = { id: newId('key'), ...place };
  const model = { id: newId('mdl'), ...place, name: key.id, title: 'Model', capabilities: [] };
  const sealed = await sealedColumns(db, rootKeys[0], { ...key, tenantId: person.workspaceId }, 1, {
    secret: SECRET,
  });
  await db
    .insert(apiKeys)
    .values({ ...key, ...sealed, position: 1, label: 'Once allowed', health: 'ACTIVE' });
  await db.insert(models).values(model);
  await db.insert(apiKeyModels).values({ apiKeyId: key.id, modelId: model.id, position: 0 });
  const apiKey = { id: key.id, status: 'ACTIVE', hint: null, statusMessage: null };
  return { apiKey, models: [{ id: model.id, name: model.name, isAvailable: true }] };
}

async function answerOf(
  person: Person,
  key: Pick<AddedKey, 'models'>,
  client: Follower,
): Promise<Event | undefined> {
  const { answers } = await person.ask('Are you there?', key.models);
  return (await readAnswer(client, answers[0]?.id ?? '')).end;
}

/** Prints how a way was tried, and holds it to its code, a sentence that says what to do, and no connection. */
function report(way: string, outcomes: readonly Outcome[], code: string): void {
  const refused = outcomes.filter((each) => each.code === code && SAYS_WHAT_TO_DO.test(each.message));
  say(
    `${way}: ${outcomes.length} tried, ${refused.length} refused with ${code}, ${canary.connections} connections`,
  );
  expect(outcomes.filter((each) => !refused.includes(each))).toEqual([]);
  expect(canary.connections).toBe(0);
}

function isLoopback(url: string): boolean {
  return /^(?:127\.0\.0\.1|0\.0\.0\.0|localhost\.*|\[::1?\]|\[::ffff:7f00:1\])$/.test(
    URL.parse(url)?.hostname ?? '',
  );
}

/** The same spelling with another port. */
function atPort(url: string, port: number): string {
  const [, start, host, rest] =
    /^([^/\\]*:[/\\]*(?:[^/\\#@]*@)?)(\[[^\]]*\]|[^:/\\#]+)(?::\d+)?(.*)$/su.exec(url) ?? [];
  return start === undefined ? url : `${start}${host}:${port}${rest}`;
}

const AT_A_TIME = 8; // a person may have sixteen answers written at once
const SECRET = 'sk-canary-0123456789';
const SAYS_WHAT_TO_DO = /\b(?:must|Write|Remove|Put|ask|tell|Try again)\b.*\.$/;
