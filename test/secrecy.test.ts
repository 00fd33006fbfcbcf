import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { eq } from 'drizzle-orm';
import { getIntrospectionQuery } from 'graphql';
import { afterEach, expect, test, vi } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { log } from '../src/log.ts';
import { ProviderError } from '../src/providers/failure/failure.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { readAnswer } from './kit/answer.ts';
import { addKey, bodyText, endOfAnswer, keysOf, modelsOf, rawBody, seal } from './kit/api-key.ts';
import { openReadable } from './kit/database-contents.ts';
import {
  chunkOf,
  type HostileProvider,
  respond,
  startHostileProvider,
  stream,
} from './kit/hostile-provider.ts';
import { captureLog } from './kit/log.ts';
import { documentOf, type Person, post } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { formsFound, formsOf } from './kit/secret-scan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { httpWire, socketWire, type Wire } from './kit/wire.ts';

/**
 * A reader of a response, the log, a backup or the raw files of the database must not get a key that spends another person's
 * money: the canary is searched for in everything that leaves the process, in every common encoding.
 */
const canary = `sk-canary-${crypto.randomUUID()}+/"\\~end`;

afterEach(() => vi.restoreAllMocks());

test('a secret goes to its provider and nowhere else, whatever is done with it and whatever goes wrong', async () => {
  await using provider = await startHostileProvider();
  const simulator = await startSimulator({ paceMs: 0 });
  const database = await openReadable();
  const server = await startTestServer(
    { LATCHKEY_ALLOWED_PRIVATE_HOSTS: `${provider.host},${new URL(simulator.url).host}` },
    { database: { ...database, close: async () => {} }, simulator },
  );
  liftCheckLimits(server); // more than a person may check in ten minutes
  const places = newPlaces();
  watch(server, places);
  const ada = await server.signUp();
  const wires = await wiresOf(ada, places);

  await useKeys(server, ada, wires);
  await useBadKeys(server);
  await useWithBadProvider(provider, ada);
  await loseKeys(server, ada);
  await Promise.all(PAGES.map((page) => fetch(server.url + page, { headers: { accept: 'text/html' } })));
  await post(server.url, null, { query: getIntrospectionQuery() });
  places['printed schema'] = [readFileSync('schema/schema.graphql', 'utf8')];
  places['rows of all tables'] = await database.rows();
  places['files of the database'] = await database.files();
  const found = findIn(places);
  const searched = Object.entries(places).map(([place, held]) => [place, held?.length] as const);

  // The search itself would find it, had it been kept anywhere in any of these ways.
  await database.db.update(apiKeys).set({ ciphertext: Buffer.from(canary) });
  expect(formsFound(await database.rows(), canary)).toEqual(['hex']);
  await plant(ada, wires, places);
  places['rows of all tables'] = await database.rows();
  places['files of the database'] &&= await database.files();
  const planted = findIn(places);
  for (const wire of Object.values(wires)) wire.close();

  for (const [place, count] of searched) {
    const seen = FORMS.filter((form) =>
      planted[place]?.some((other) => [form, IN_JSON[form]].includes(other)),
    );
    say(
      count === undefined
        ? `${place}: cannot be read here, left out\n`
        : `${place}: ${count} searched, ${found[place]?.length} found; planted in ${FORMS.length} forms: ${seen.length} found`,
    );
    expect([place, found[place]]).toEqual([place, []]);
    if (count !== undefined) expect([place, seen]).toEqual([place, FORMS]);
  }
  await server.close();
  await simulator.close();
  await database.close();
}, 120_000);

test('a secret in the wrong place of a request is refused without being repeated', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const variable = (input: unknown) => bodyText(ada, documentOf('add-api-key'), { input });
  const { workspaceId } = ada;
  const literal = JSON.stringify(canary);
  const answers = await Promise.all([
    variable(canary),
    variable({ secret: canary }),
    variable({ workspaceId, provider: canary }),
    variable({ workspaceId, provider: 'OPENAI', apiKey: canary }),
    variable({ workspaceId, provider: 'OPENAI', secret: [canary] }),
    variable({ workspaceId, provider: 'OPENAI', secret: { value: canary } }),
    variable({ workspaceId, provider: 'OPENAI', expiresAt: canary }),
    bodyText(ada, `mutation { addApiKey(input: { secret: ${literal} }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: ${literal}) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: { provider: ${literal} }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: { apiKey: ${literal} }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(${literal}) { __typename } }`),
    bodyText(ada, `mutation { addApiKey("""${canary}""") { __typename } }`),
    bodyText(ada, `{ workspace(id: "w") { threads(first: ${literal}) { nodes { id } } } }`),
    bodyText(ada, '{ node(id: "x") { id } }', canary as unknown as object),
  ]);
  const client = ada.socket();
  for (const query of [`{ workspace(id: [${literal}]) { id } }`, `{ workspace(${literal}) { id } }`]) {
    const thrown = await client
      .iterate({ query })
      .next()
      .catch((error: unknown) => error);
    answers.push(JSON.stringify(thrown));
  }
  await client.dispose();
  for (const answer of answers) expect(answer).toContain('"BAD_INPUT"');
  expect(formsFound(answers, canary)).toEqual([]);
  expect(
    answers.slice(0, 7).map((answer) => (JSON.parse(answer) as { errors: [Error] }).errors[0].message),
  ).toEqual([
    'Variable "$input" has invalid value: Expected value of type "AddApiKeyInput" to be an object, found: …',
    'Variable "$input" has invalid value: Expected value of type "AddApiKeyInput" to include required field "provider", found: …',
    'Variable "$input" has invalid value at .provider: The value does not exist in "ProviderName" enum.',
    'Variable "$input" has invalid value: Expected value of type "AddApiKeyInput" not to include unknown field "apiKey", found: …',
    'Variable "$input" has invalid value at .secret: String cannot represent a non string value: …',
    'Variable "$input" has invalid value at .secret: String cannot represent a non string value: …',
    'Variable "$input" has invalid value at .expiresAt: A DateTime is a string in ISO 8601 with a time zone, e.g. "2026-11-23T09:30:00Z".',
  ]);
});

/** Everything that can be seen from outside, by where it was seen; null where this machine does not let us look. */
type Places = Record<string, (string | Uint8Array)[] | null> & Record<Seen, string[]>;
type Seen =
  | 'log'
  | 'HTTP responses'
  | 'server-sent events'
  | 'WebSocket messages'
  | 'errors'
  | 'printed schema';

function newPlaces(): Places {
  return {
    log: [],
    'HTTP responses': [],
    'server-sent events': [],
    'WebSocket messages': [],
    errors: [],
    'printed schema': [],
  };
}

function findIn(places: Places): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(places).map(([place, held]) => [place, formsFound(held ?? [], canary)]),
  );
}

/** Writes down from now on what is logged, what is answered over HTTP, and what providers fail with. */
function watch({ app }: TestServer, places: Places): void {
  places.log = captureLog();
  const original = globalThis.fetch;
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
    const response = await original(...request);
    places['HTTP responses'].push(`${[...response.headers].join()} ${await response.clone().text()}`);
    return response;
  });
  for (const provider of Object.values(app.providers))
    for (const method of ['checkKey', 'listModels', 'answer'] as const) {
      const call: (...args: never[]) => Promise<unknown> = provider[method];
      Object.assign(provider, {
        async [method](...args: never[]) {
          try {
            return await call(...args);
          } catch (error) {
            places.errors.push(tellAll(error));
            throw error;
          }
        },
      });
    }
}

/** All that can be printed of an error. */
function tellAll(error: unknown): string {
  const shown = inspect(error, { showHidden: true, depth: 10 });
  const { stack, providerText } = error as ProviderError;
  return [shown, stack, providerText, JSON.stringify(error)].join('\n');
}

/** The ways in which operations are sent apart from `fetch`, whose answers are written down too. */
async function wiresOf(person: Person, places: Places): Promise<Record<'stream' | 'socket', Wire>> {
  const opened = await openFor(person);
  opened.socket.on('message', (data) => places['WebSocket messages'].push(String(data)));
  const stream = httpWire(person, 'text/event-stream');
  return {
    socket: socketWire(opened),
    stream: {
      ...stream,
      async send(payload) {
        const reply = await stream.send(payload);
        places['server-sent events'].push(reply.text);
        return reply;
      },
    },
  };
}

/** Every provider, every way in, every way to follow what comes of it. */
async function useKeys(
  { simulator }: TestServer,
  ada: Person,
  { stream, socket }: Record<'stream' | 'socket', Wire>,
): Promise<void> {
  for (const provider of PROVIDER_NAMES) {
    const baseUrl = provider === 'CUSTOM' ? simulator.baseUrls.CUSTOM : null;
    const input = { workspaceId: ada.workspaceId, provider, baseUrl };
    const plain = { query: documentOf('add-api-key'), variables: { input: { ...input, secret: canary } } };
    for (const wire of [stream, socket]) expect((await wire.send(plain)).code).toBe('DATA');
    const sealed = await seal(ada, { provider, baseUrl, secret: canary });
    const { apiKey, models } = await addKey(ada, { provider, baseUrl, sealed });
    await ada.run('check-api-key', { input: { id: apiKey.id } });
    await ada.run('replace-api-key-secret', { input: { id: apiKey.id, secret: canary } });
    const sent = await ada.ask('Hello', models.slice(0, 1));
    const following = {
      query: documentOf('answer-events'),
      variables: { answerId: sent.answers[0]?.id },
    };
    for (const wire of [socket, stream]) expect((await wire.send(following)).code).toBe('DATA');
  }
  await keysOf(ada);
  await modelsOf(ada);
}

/** Keys that their providers refuse, repeat, cannot look at, or let no further. */
async function useBadKeys(server: TestServer): Promise<void> {
  for (const provider of PROVIDER_NAMES) {
    const eve = await server.signUp('Eve');
    const baseUrl = provider === 'CUSTOM' ? server.simulator.baseUrls.CUSTOM : null;
    for (const fault of ['echo', 'wrong', 'expired', 'forbidden', 'limited', 'down', 'quota', 'nolist']) {
      const { models } = await addKey(eve, { provider, baseUrl, secret: `${canary}-${fault}` });
      if (fault !== 'quota' || models.length === 0) continue;
      const sent = await eve.ask('Hello', models.slice(0, 1));
      await endOfAnswer(eve, sent.answers[0]?.id ?? '');
    }
    await addKey(eve, { provider, baseUrl: 'https://10.0.0.1', secret: canary });
    await addKey(eve, { provider, baseUrl, secret: `${canary} ${canary}` });
  }
}

/** A provider that repeats the key wherever it can, before the answer and in the middle of it. */
async function useWithBadProvider(provider: HostileProvider, ada: Person): Promise<void> {
  const { apiKey, models } = await ada.addKey('CUSTOM', canary, { baseUrl: provider.baseUrl });
  const inJson = JSON.stringify({ error: { message: `No: Bearer ${canary}`, type: canary, code: canary } });
  const noWait = {
    'retry-after-ms': '1',
    'x-key': canary,
    location: `http://x/?key=${encodeURIComponent(canary)}`,
  };
  const begun = chunkOf({ delta: { content: 'Well' } });
  const answers: HostileProvider['answer'][] = [
    ...[302, 400, 403, 404, 429, 500, 503].map(
      (status) => (response: ServerResponse) => respond(response, status, inJson, noWait),
    ),
    (response) => respond(response, 500, canary, { ...noWait, 'content-type': 'text/plain' }),
    (response) => respond(response, 200, inJson, noWait),
    (response) => respond(response, 200, `<p>${canary}</p>`, { 'content-type': 'text/html' }),
    (response) => streamWhole(response, [begun, `data: ${inJson}\n\n`]),
    (response) => streamWhole(response, [begun, ...Array(5).fill(`data: {"${canary}\n\n`)]),
    (response) => streamWhole(response, [`: ${canary}\nid: ${canary}\nevent: ${canary}\n\n`, begun]),
    (response) => respond(response, 401, inJson, noWait),
  ];
  const codes: (string | undefined)[] = [];
  for (const answer of answers) {
    provider.answer = answer;
    const sent = await ada.ask('Hello', models);
    const client = ada.socket();
    codes.push((await readAnswer(client, sent.answers[0]?.id ?? '')).end?.error.code);
    await client.dispose();
  }
  expect(codes).not.toContain(undefined);
  const wrongKey = inJson.replace('No:', 'Incorrect API key provided:');
  provider.list = (response) => respond(response, 401, wrongKey, noWait);
  expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
    storedApiKey: { status: 'INVALID' },
  });
}

async function streamWhole(response: ServerResponse, pieces: string[]): Promise<void> {
  await stream(response, pieces);
  response.end();
}

/** Keys that do not open, a server that fails, and keys that are removed. */
async function loseKeys({ app }: TestServer, ada: Person): Promise<void> {
  const { apiKey } = await ada.addKey('OPENAI', canary);
  await app.db
    .update(apiKeys)
    .set({ tag: new Uint8Array(32) })
    .where(eq(apiKeys.id, apiKey.id));
  expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
    code: 'KEY_UNAVAILABLE',
  });
  const failing = { ...app.providers.OPENAI };
  app.providers.OPENAI.checkKey = () => Promise.reject(new Error(`no ${canary}`));
  const input = { workspaceId: ada.workspaceId, provider: 'OPENAI', secret: canary };
  expect(await bodyText(ada, documentOf('add-api-key'), { input })).toContain('INTERNAL');
  Object.assign(app.providers.OPENAI, failing);
  for (const { id } of await keysOf(ada)) await ada.run('remove-api-key', { input: { id } });
  expect(await keysOf(ada)).toEqual([]);
}

/** Puts the canary everywhere in every form, on the way that each place has. */
async function plant(
  ada: Person,
  { stream, socket }: Record<'stream' | 'socket', Wire>,
  places: Places,
): Promise<void> {
  const query = '{ viewer { personalWorkspace { threads(first: 1) { nodes { title } } } } }';
  for (const name of FORMS) {
    const form = forms[name] ?? '';
    const input = { workspaceId: ada.workspaceId, title: `x${form}y` };
    await ada.run('create-thread', { input });
    await rawBody(ada, query);
    for (const wire of [stream, socket]) await wire.send({ query });
    log.warn({ planted: form }, 'planted');
    places.errors.push(tellAll(new ProviderError('PROVIDER_ERROR', { message: form })));
    places['printed schema'].push(`"""${form}"""`);
  }
}

const forms = formsOf(canary);
/** Those in which it is planted. The last one is what becomes of one that is planted where everything is JSON. */
const FORMS = Object.keys(forms).filter((form) => form !== 'JSON in JSON');
const IN_JSON: Readonly<Record<string, string>> = { raw: 'JSON', JSON: 'JSON in JSON' };
const PAGES = ['/', '/graphql', '/health/live', '/health/ready', '/nowhere', '/seal.js'];
