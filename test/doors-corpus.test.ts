import { monitorEventLoopDelay } from 'node:perf_hooks';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { messages, threads } from '../src/db/tables/thread.ts';
import { hostileDocuments } from './fixtures/hostile-documents.ts';
import { HOSTILE_FRAMES, HOSTILE_MESSAGES } from './fixtures/hostile-frames.ts';
import { type ForeignIds, type HostileOperation, many, PLANTED } from './fixtures/hostile-operation.ts';
import { HOSTILE_BYTES, HOSTILE_REQUESTS } from './fixtures/hostile-requests.ts';
import { hostileVariables } from './fixtures/hostile-variables.ts';
import { trespasses } from './fixtures/trespasses.ts';
import { eventually } from './kit/eventually.ts';
import { startLiveFollowers } from './kit/live-followers.ts';
import { captureErrors } from './kit/log.ts';
import { usedMiB } from './kit/memory.ts';
import { documentOf, type Person, post } from './kit/person.ts';
import { answerToBytes, closeCodeAfterBytes } from './kit/raw-bytes.ts';
import { type Message, openFor, openSocket } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { signIn } from './kit/session.ts';
import { useSite } from './kit/site.ts';
import { codeIn, httpWire, type Reply, respond, socketWire, type Wire } from './kit/wire.ts';

/**
 * Whatever a client sends, it is answered with a code that was chosen for it, reveals nothing that was not meant to be shown,
 * costs next to nothing, and leaves alone what is followed beside it: the same list over every transport.
 */

const site = useSite();
let eve: Person;
let foreign: ForeignIds;
beforeAll(async () => {
  eve = await site.server.signUp('Eve');
  const { apiKey, models } = await eve.addKey();
  const { answers, thread } = await eve.ask('Mine alone.', models.slice(0, 1));
  foreign = {
    workspaceId: eve.workspaceId,
    threadId: thread.id,
    answerId: answers[0]?.id ?? '',
    apiKeyId: apiKey.id,
    modelId: models[0]?.id ?? '',
  };
});
afterEach(() => vi.restoreAllMocks());

test('no hostile operation gets through, and none disturbs what is followed beside it', async () => {
  await using live = await startLiveFollowers(site.server, site.ada);
  const own = { workspaceId: site.ada.workspaceId, threadId: live.threadId };
  const operations = [...hostileDocuments(), ...hostileVariables(own, foreign), ...trespasses(own, foreign)];
  const wires: Record<string, Wire> = {
    HTTP: httpWire(site.ada, 'application/json'),
    'server-sent events': httpWire(site.ada, 'text/event-stream'),
    WebSocket: socketWire(live.opened),
  };
  const before = await whatThereIs();
  const lines = captureErrors();
  const pauses = monitorEventLoopDelay({ resolution: 10 });
  pauses.enable();
  const codes: string[] = [];
  const wrong: string[] = [];
  for (const operation of operations) {
    for (const [name, wire] of Object.entries(wires)) {
      const reply = await wire.send(operation.payload);
      codes.push(reply.code);
      wrong.push(...faultsOf(operation, reply).map((fault) => `${operation.what}, over ${name}: ${fault}`));
    }
    await live.goOn();
  }
  pauses.disable();
  const pauseMs = Math.round(pauses.max / 1e6);
  const connections = Object.values(wires).map((wire) => wire.connections());
  const length = await live.end();
  say(`${operations.length} operations × ${connections.length} transports: ${tally(codes)}`);
  say(`over ${connections.join(' + ')} connections; longest pause ${pauseMs} ms; ${undisturbed(length)}`);
  for (const wire of Object.values(wires)) wire.close();

  expect(wrong).toEqual([]);
  expect(lines).toEqual([]);
  expect(await whatThereIs()).toEqual(before);
  expect(connections).toEqual([1, 1, 1]);
  expect(pauseMs).toBeLessThan(LONGEST_PAUSE_MS);
}, 120_000);

test('no request that is hardly one does either', async () => {
  await using live = await startLiveFollowers(site.server, site.ada);
  const lines = captureErrors();
  const statuses: string[] = [];
  const wrong: unknown[] = [];
  for (const { what, body, method = 'POST', path = '/graphql', headers, ...expected } of HOSTILE_REQUESTS) {
    const authorization = `Bearer ${site.ada.token}`;
    const all = { 'content-type': 'application/json', authorization, ...headers };
    const response = await respond(site.server.url, { method, path, headers: all, agent: false }, body);
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    const code = response.headers['content-type']?.startsWith('application/json') ? codeIn(text) : null;
    statuses.push(`${status}`);
    if (status !== expected.status || code !== expected.code || LEAKS.test(text))
      wrong.push([what, status, code, text]);
    await live.goOn();
  }
  for (const [what, expected, bytes] of HOSTILE_BYTES) {
    const [, status = 'nothing'] =
      /^HTTP\/1\.1 (\d+)/.exec(await answerToBytes(site.server.url, bytes)) ?? [];
    statuses.push(status);
    if (status !== String(expected ?? 'nothing')) wrong.push([what, status]);
    await live.goOn();
  }
  const length = await live.end();
  say(
    `${HOSTILE_REQUESTS.length} requests and ${HOSTILE_BYTES.length} that are hardly HTTP: ${tally(statuses)}`,
  );
  say(undisturbed(length));
  expect(wrong).toEqual([]);
  expect(lines).toEqual([]);
});

test('no message or frame does either: it closes the socket it came on, if any', async () => {
  await using live = await startLiveFollowers(site.server, site.ada);
  const lines = captureErrors();
  const closings: string[] = [];
  const wrong: unknown[] = [];
  for (const [what, expected, message] of HOSTILE_MESSAGES) {
    const opened = await openFor(site.ada);
    opened.socket.send(message);
    const probe = socketWire(opened).send({ query: '{ __typename }' });
    const closed = await Promise.race([opened.closed, probe.then(() => null)]);
    closings.push(closed ?? 'stays open');
    if (closed !== expected) wrong.push([what, closed]);
    opened.socket.terminate();
    await live.goOn();
  }
  for (const [what, expected, bytes, protocol] of HOSTILE_FRAMES) {
    const code = await closeCodeAfterBytes(site.server.url, bytes, protocol);
    closings.push(`${code}`);
    if (code !== expected) wrong.push([what, code]);
    await live.goOn();
  }
  const length = await live.end();
  say(
    `${HOSTILE_MESSAGES.length} messages and ${HOSTILE_FRAMES.length} that are hardly WebSocket: ${tally(closings)}`,
  );
  say(undisturbed(length));
  expect(wrong).toEqual([]);
  expect(lines).toEqual([]);
});

test('a second operation of the same name closes its socket, and no other', async () => {
  await using live = await startLiveFollowers(site.server, site.ada);
  const opened = await openFor(site.ada);
  const payload = { query: documentOf('thread-events'), variables: { threadId: live.threadId } };
  opened.send({ type: 'subscribe', id: 'twice', payload });
  opened.send({ type: 'subscribe', id: 'twice', payload });
  expect(await opened.closed).toBe('4409 Subscriber for twice already exists');
  await live.goOn();
});

test('of thousands of operations at once on a socket fifty are taken, and those before them go on', async () => {
  await using live = await startLiveFollowers(site.server, site.ada);
  const { send, messages } = live.opened;
  const following = { query: documentOf('thread-events'), variables: { threadId: live.threadId } };
  for (const [kind, payload] of Object.entries({
    subscription: following,
    query: { query: '{ viewer { id } }' },
    'subscription again': following,
  })) {
    const first = new Map<string, Message>();
    for (let index = 0; index < FLOOD; index++) send({ type: 'subscribe', id: `${kind} ${index}`, payload });
    await eventually(`an answer to every ${kind}`, () => {
      for (const message of messages.splice(0)) {
        const { id = '' } = message;
        if (id.startsWith(`${kind} `) && !first.has(id)) first.set(id, message);
      }
      return first.size === FLOOD;
    });
    const taken = [...first].filter(([, { type }]) => type === 'next').map(([id]) => id);
    const refused = [...first.values()].filter(({ type }) => type === 'error');
    say(`${FLOOD} × ${kind} at once: ${taken.length} taken, ${refused.length} refused`);
    expect(taken.length + refused.length).toBe(FLOOD);
    expect(new Set(refused.map(({ payload }) => JSON.stringify(payload)))).toEqual(new Set([TOO_MANY]));
    if (payload === following) expect(taken).toHaveLength(50 - 2);
    else expect(taken.length).toBeGreaterThanOrEqual(50 - 2);
    for (const id of taken) send({ type: 'complete', id });
    await live.goOn();
  }
  say(undisturbed(await live.end()));
}, 60_000);

test('only complete and valid credentials authenticate a person', async () => {
  const [raw = '', signature = ''] = site.ada.token.split('.');
  const [, signatureOfEve = ''] = eve.token.split('.');
  const flipped = (text: string) => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;
  const tokens = [
    ...[
      raw,
      `${raw}.`,
      `${raw}.${signatureOfEve}`,
      `${raw}.${flipped(signature)}`,
      `${flipped(raw)}.${signature}`,
    ],
    ...[
      `${raw}.${signature.slice(0, -8)}`,
      `.${signature}`,
      `${raw}.${signature}.${signature}`,
      site.ada.id,
      site.ada.email,
    ],
    ...[
      'undefined',
      'null',
      'true',
      '[object Object]',
      '*',
      '%',
      "' or 1=1 --",
      "'; select pg_sleep(60); --",
      '$1',
      '..',
    ],
    ...[
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMSJ9.',
      'x'.repeat(10_000),
      `${site.ada.token}x`,
      `x${site.ada.token}`,
    ],
  ].map((token) => `Bearer ${token}`);
  const others = [
    '',
    'Bearer',
    'Basic YWRhOmFkYQ==',
    `Basic ${site.ada.token}`,
    `Token ${site.ada.token}`,
    raw,
  ];
  const payload = {
    query: 'mutation ($id: ID!) { createThread(input: { workspaceId: $id }) { __typename } }',
    variables: { id: site.ada.workspaceId },
  };
  const before = await whatThereIs();
  const lines = captureErrors();
  const answers: string[] = [];
  const wrong: unknown[] = [];
  for (const authorization of [...tokens, ...others]) {
    for (const accept of ['application/json', 'text/event-stream'] as const) {
      const wire = httpWire({ url: site.server.url }, accept, { authorization });
      const { code, text } = await wire.send(payload);
      wire.close();
      answers.push(code);
      if (code !== 'UNAUTHENTICATED' || LEAKS.test(text)) wrong.push([authorization, accept, text]);
    }
    const opened = await openSocket(site.server.url, { init: { authorization } });
    const closed = await opened.closed;
    answers.push(closed);
    if (closed !== '4403 Forbidden') wrong.push([authorization, 'WebSocket', closed]);
  }
  say(`${tokens.length + others.length} credentials × 3 transports: ${tally(answers)}`);
  expect(wrong).toEqual([]);
  expect(lines).toEqual([]);
  expect(await whatThereIs()).toEqual(before);
});

test('of two credentials in one request the header counts, and of two headers the first', async () => {
  const { cookie } = await signIn(eve);
  const [bad, good] = ['Bearer nonsense', `Bearer ${site.ada.token}`];
  const whoIs = async (authorization: string | string[]) => {
    const headers = { authorization, cookie, 'x-latchkey-csrf': '1' };
    const wire = httpWire({ url: site.server.url }, 'application/json', headers);
    const { text } = await wire.send({ query: '{ viewer { user { id } } }' });
    wire.close();
    return JSON.parse(text).data?.viewer?.user.id ?? null;
  };
  expect(cookie).not.toBe('');
  expect(await whoIs([])).toBe(eve.id);
  expect(await whoIs(bad)).toBeNull();
  expect(await whoIs(good)).toBe(site.ada.id);
  expect(await whoIs([bad, good])).toBeNull();
  expect(await whoIs([good, bad])).toBe(site.ada.id);
});

test('documents that are sent once are not cached, valid or invalid', async () => {
  const unknown = many(300, (index) => `f${index}: 1`);
  const before = await usedMiB();
  for (let index = 0; index < 20; index++) {
    const text = `${index} ${'x'.repeat(900_000)}`;
    for (const query of [
      `{ __typename } # ${text}`,
      `{ node(id: "${text}") { id } }`,
      `mutation { createThread(input: { title: "${text}" ${unknown} }) { __typename } }`,
    ])
      await post(site.server.url, null, { query });
  }
  for (let index = 0; index < 300; index++)
    await post(site.server.url, null, {
      query: `{ __typename } fragment F${index} on Workspace { ${many(1_960, 'id')} }`,
    });
  const grown = (await usedMiB()) - before;
  say(`360 long documents: +${grown.toFixed(1)} MiB`);
  expect(grown).toBeLessThan(80);
}, 60_000);

/** All that an operation could have made, changed or asked for. */
async function whatThereIs() {
  const { db } = site.server.app;
  return {
    threads: await db.$count(threads),
    messages: await db.$count(messages),
    keys: await db.$count(apiKeys),
    askedProviders: site.server.simulator.requests.length,
  };
}

function faultsOf({ code: expected }: HostileOperation, { status, text, code }: Reply): string[] {
  const faults: string[] = [];
  if (code !== expected) faults.push(`${code} instead of ${expected}: ${text.slice(0, 200)}`);
  if (status !== null && status >= 500) faults.push(`status ${status}`);
  if (text.includes(PLANTED)) faults.push('repeats a value');
  if ((text.match(/"message":/g)?.length ?? 0) > MOST_FAULTS) faults.push('names too many faults');
  const leak = code === 'DATA' ? null : LEAKS.exec(text);
  if (leak !== null) faults.push(`says "${leak[0]}"`);
  return faults;
}

function tally(answers: readonly string[]): string {
  const groups = Map.groupBy(answers, (answer) => answer);
  return [...groups].map(([answer, all]) => `${answer} ${all.length}`).join(', ');
}

function undisturbed(length: number): string {
  return `meanwhile 4 followers of an answer received all ${length} characters of it and never reconnected`;
}

/** What only we need to know of a failure: where in the code, in which query, in whose library. */
const LEAKS =
  /\\n\s+at |node:|node_modules|file:\/\/|\.(?:ts|m?js):\d|\b(?:Type|Range|Reference|Aggregate|URI)Error\b|originalError|"stack"|"http"|insert into|\bselect\b.*\bfrom\b|syntax error at or near|invalid input syntax|yoga|envelop|pothos|drizzle|pglite|postgres|better-auth|libsodium|undici|zod|graphql-ws|graphql-js/i;

const TOO_MANY = JSON.stringify([
  { message: 'A socket carries at most 50 operations.', extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } },
]);
const MOST_FAULTS = 6; // the last of them says that there are more
const FLOOD = 5_000;
// Far more than an honest request takes, and too short for a reader of an answer to notice a pause.
const LONGEST_PAUSE_MS = 1_000;
