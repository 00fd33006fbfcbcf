import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  type ApolloCache,
  ApolloClient,
  type DocumentNode,
  gql,
  HttpLink,
  InMemoryCache,
  type TypePolicies,
} from '@apollo/client';
import type { Client as UrqlClient } from '@urql/core';
import type { Client as EventsClient } from 'graphql-sse';
import { createClient, type Client as SocketClient } from 'graphql-ws';
import { expect, test, vi } from 'vitest';
import type { SimulatorRequest } from '../src/simulator/request-log.ts';
import type { Event } from './kit/answer.ts';
import { startDatabaseProxy } from './kit/database-proxy.ts';
import type { Page } from './kit/page.ts';
import { importRecipe } from './kit/pages.ts';
import { documentOf, type Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

// What the recipes of docs/frontend.md export.

interface Follow {
  socketClient(token: string): SocketClient;
  eventsClient(token: string): EventsClient;
  followAnswer(
    client: SocketClient | EventsClient,
    answerId: string,
    show: (text: string) => void,
    text?: string,
  ): Promise<string>;
}

interface Apollo {
  createApollo(token: string): ApolloClient;
  typePolicies: TypePolicies;
  applyAnswerEvent(cache: ApolloCache, event: object): boolean;
  followAnswer(client: ApolloClient, query: DocumentNode, answerId: string): object;
}

interface Urql {
  createUrql(token: string): UrqlClient;
}

/** Whatever the documents of `schema/operations` used here answer with. */
interface Data {
  addApiKey: { apiKey: { status: string } };
  workspace: { models: Page<{ id: string }> };
  createThread: { thread: { id: string } };
  sendMessage: { answers: { id: string }[] };
  thread: { messages: Page<Answer> };
  answerEvents: Event;
}

interface Answer {
  id: string;
  status: string;
  text: string;
  usage: { inputTokens: number; outputTokens: number } | null;
}

const QUESTION = 'What is a latchkey?\nsimulate: held';

test('graphql-ws follows an answer token by token, and a lost connection neither loses a word nor is sent one again', async () => {
  await using server = await startTestServer();
  const { ada, threadId, answerId, call } = await ask(server);
  const { followAnswer } = await importRecipe<Follow>('follow', server.url);
  // Connects again by itself, at once instead of in seconds.
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    connectionParams: { authorization: `Bearer ${ada.token}` },
    retryWait: async () => {},
  });
  const offsets: number[] = [];
  client.on('message', (message) => {
    if (message.type !== 'next') return;
    const { answerEvents } = message.payload.data as { answerEvents: { part?: string; offset?: number } };
    if (answerEvents.part === 'TEXT') offsets.push(answerEvents.offset ?? Number.NaN);
  });

  const shown: string[] = [];
  call.release(1);
  const text = await followAnswer(client, answerId, (soFar) => {
    shown.push(soFar);
    if (shown.length === 3) client.terminate();
    call.release(shown.length === 6 ? undefined : 1);
  });

  expectGrowth(shown);
  expect(shown.length).toBeGreaterThan(6);
  expect(offsets).toEqual([...new Set(offsets)].toSorted((left, right) => left - right));
  expect(text).toBe((await saved(ada, threadId)).text);
});

test('the recipe for a socket outlives forty seconds without a server', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  await using proxy = await startDatabaseProxy(server.url);
  const { ada, threadId, answerId, call } = await ask(server);
  const { socketClient, followAnswer } = await importRecipe<Follow>('follow', proxy.url);
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  // The client waits as long as it would, by a clock of its own; everything else goes on as fast as it can.
  let waitedMs = 0;
  const waits = new EventTarget();
  const { setTimeout: start } = globalThis;
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((run: () => void, ms = 0, ...rest: []) => {
    if (!(new Error().stack ?? '').includes('retryWait')) return start(run, ms, ...rest);
    waitedMs += ms;
    waits.dispatchEvent(new globalThis.Event('wait'));
    return start(run, 1);
  }) as typeof setTimeout);

  const shown: string[] = [];
  call.release(1);
  const { promise: isAway, resolve } = Promise.withResolvers<void>();
  const client = socketClient(ada.token);
  const followed = followAnswer(client, answerId, (soFar) => {
    if (shown.push(soFar) === 1) resolve(proxy.cut());
  });
  await isAway;
  while (waitedMs < 40_000) await once(waits, 'wait');
  call.release();
  await proxy.restore();
  const text = await followed;
  vi.restoreAllMocks();
  await client.dispose();
  expectGrowth(shown);
  expect(text).toBe((await saved(ada, threadId)).text);
  expect(text.length).toBeGreaterThan(shown[0]?.length ?? 0);
});

test('the recipe for a socket gives up when the session has ended, and says why', async () => {
  await using server = await startTestServer();
  const { ada, answerId } = await ask(server);
  const { socketClient, followAnswer } = await importRecipe<Follow>('follow', server.url);
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  const client = socketClient(`${ada.token}x`);
  await expect(followAnswer(client, answerId, () => {})).rejects.toMatchObject({ code: 4403 });
  vi.restoreAllMocks();
  await client.dispose();
});

test('graphql-ws goes on from where an earlier page stopped', async () => {
  await using server = await startTestServer();
  const { ada, threadId, answerId, call } = await ask(server);
  const { socketClient, followAnswer } = await importRecipe<Follow>('follow', server.url);

  const closedPage = socketClient(ada.token);
  const { promise: held, resolve } = Promise.withResolvers<string>();
  call.release(4);
  void followAnswer(closedPage, answerId, (text) => text.split(' ').length > 2 && resolve(text));
  const before = await held;
  await closedPage.dispose();

  const shown: string[] = [];
  const newPage = socketClient(ada.token);
  call.release();
  const text = await followAnswer(newPage, answerId, (soFar) => shown.push(soFar), before);
  expectGrowth([before, ...shown]);
  expect(text).toBe((await saved(ada, threadId)).text);
});

test('graphql-sse follows an answer token by token with the same code', async () => {
  await using server = await startTestServer();
  const { ada, threadId, answerId, call } = await ask(server);
  const { eventsClient, followAnswer } = await importRecipe<Follow>('follow', server.url);

  const shown: string[] = [];
  call.release(1);
  const text = await followAnswer(eventsClient(ada.token), answerId, (soFar) => {
    shown.push(soFar);
    call.release(shown.length === 5 ? undefined : 1);
  });
  expectGrowth(shown);
  expect(shown.length).toBeGreaterThan(5);
  expect(text).toBe((await saved(ada, threadId)).text);
});

test('Apollo does the main job, and its cache ends with the text that the server saved', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { createApollo, followAnswer } = await importApollo(server);
  const client = createApollo(ada.token);
  using warnings = vi.spyOn(console, 'error');

  const { addApiKey } = await mutate(client, 'add-api-key', {
    workspaceId: ada.workspaceId,
    provider: 'OPENAI',
    secret: 'sk-sim-apollo',
  });
  expect(addApiKey?.apiKey.status).toBe('ACTIVE');
  const models = await client.query<Data>({
    query: gql(documentOf('models')),
    variables: { workspaceId: ada.workspaceId },
  });
  const model = models.data?.workspace.models.edges[0]?.node;
  const { createThread } = await mutate(client, 'create-thread', { workspaceId: ada.workspaceId });
  const { sendMessage } = await mutate(client, 'send-message', {
    threadId: createThread?.thread.id,
    text: QUESTION,
    modelIds: [model?.id],
  });
  const answerId = sendMessage?.answers[0]?.id ?? '';
  const threadQuery = { query: gql(documentOf('thread')), variables: { id: createThread?.thread.id ?? '' } };
  await client.query<Data>(threadQuery);
  const call = await heldCall(server);
  const shown: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const watching = client.watchQuery<Data>(threadQuery).subscribe(({ data }) => {
    const answer = data?.thread?.messages?.edges?.at(-1)?.node;
    if (answer?.text !== undefined && answer.text !== shown.at(-1)) {
      shown.push(answer.text);
      // The next token comes only once this one is on the screen.
      call.release(shown.length === 6 ? undefined : 1);
    }
    if (answer?.status === 'COMPLETE') resolve();
  });
  followAnswer(client, gql(documentOf('answer-events')), answerId);
  await ended;
  watching.unsubscribe();

  const { text, usage } = await saved(ada, createThread?.thread.id ?? '');
  expect(held(client.cache, answerId)).toMatchObject({ status: 'COMPLETE', text });
  expect(usage?.outputTokens).toBeGreaterThan(5);
  expect(held(client.cache, answerId)?.usage).toMatchObject({ outputTokens: usage?.outputTokens });
  expectGrowth(shown);
  expect(shown.length).toBeGreaterThan(5);
  expect(shown.at(-1)).toBe(text);
  expect(warnings).not.toHaveBeenCalled();
});

test('a slow response neither shortens an answer in the Apollo cache nor reopens it', async () => {
  await using server = await startTestServer();
  const { ada, threadId, answerId, call } = await ask(server);
  const { createApollo, applyAnswerEvent } = await importApollo(server);
  const client = createApollo(ada.token);
  const threadQuery = { query: gql(documentOf('thread')), variables: { id: threadId } };
  await client.query<Data>(threadQuery);
  const query = client.watchQuery<Data>(threadQuery);
  const watching = query.subscribe(() => {});

  // The server has written nothing yet; the cache already has what a faster path brought.
  const delta = { __typename: 'AnswerDelta', answerId, part: 'TEXT' };
  expect(applyAnswerEvent(client.cache, { ...delta, offset: 0, text: 'A latch' })).toBe(true);
  expect(applyAnswerEvent(client.cache, { ...delta, offset: 7, text: 'key' })).toBe(true);
  await query.refetch();
  expect(held(client.cache, answerId)?.text).toBe('A latchkey');
  await client.query({ ...threadQuery, fetchPolicy: 'network-only' });
  expect(held(client.cache, answerId)?.text).toBe('A latchkey');

  expect(applyAnswerEvent(client.cache, { ...delta, offset: 5, text: 'chkey' })).toBe(true);
  expect(held(client.cache, answerId)?.text).toBe('A latchkey');
  expect(applyAnswerEvent(client.cache, { ...delta, offset: 99, text: 'lost' })).toBe(false);
  expect(held(client.cache, answerId)?.text).toBe('A latchkey');

  const answer = { id: answerId, status: 'INTERRUPTED', text: 'A latch', reasoning: '' };
  applyAnswerEvent(client.cache, { __typename: 'AnswerFailed', answer });
  await query.refetch();
  expect(held(client.cache, answerId)).toMatchObject({ status: 'INTERRUPTED', text: 'A latch' });
  watching.unsubscribe();
  call.release();
});

test('Apollo reads the code of an error with the possible types, and drops it without', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { createApollo, typePolicies } = await importApollo(server);
  const withTypes = createApollo(ada.token);
  const withoutTypes = new ApolloClient({
    link: new HttpLink({ uri: `${server.url}/graphql`, headers: { authorization: `Bearer ${ada.token}` } }),
    cache: new InMemoryCache({ typePolicies }),
  });
  expect(await mutate(withTypes, 'remove-api-key', { id: 'key_none' })).toMatchObject({
    removeApiKey: { __typename: 'NotFoundError', code: 'NOT_FOUND', fixableBy: 'YOU' },
  });
  using warning = vi.spyOn(console, 'warn').mockImplementation(() => {});
  expect(await mutate(withoutTypes, 'remove-api-key', { id: 'key_none' })).toEqual({
    removeApiKey: { __typename: 'NotFoundError' },
  });
  expect(warning).toHaveBeenCalled();
});

test('urql does the main job, and its cache ends with the text that the server saved', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { createUrql } = await importRecipe<Urql>('urql', server.url);
  const client = createUrql(ada.token);

  const input = { workspaceId: ada.workspaceId, provider: 'OPENAI', secret: 'sk-sim-urql' };
  await client.mutation<Data>(documentOf('add-api-key'), { input }).toPromise();
  const models = await client.query<Data>(documentOf('models'), { workspaceId: ada.workspaceId }).toPromise();
  const model = models.data?.workspace.models.edges[0]?.node;
  const created = await client
    .mutation<Data>(documentOf('create-thread'), { input: { workspaceId: ada.workspaceId } })
    .toPromise();
  const threadId = created.data?.createThread.thread.id ?? '';
  const sent = await client
    .mutation<Data>(documentOf('send-message'), {
      input: { threadId, text: QUESTION, modelIds: [model?.id] },
    })
    .toPromise();
  const answerId = sent.data?.sendMessage.answers[0]?.id ?? '';

  const call = await heldCall(server);
  call.release(1);
  const shown: string[] = [''];
  const { promise: ended, resolve, reject } = Promise.withResolvers<string>();
  const following = client
    .subscription<Data>(documentOf('answer-events'), { answerId })
    .subscribe(({ data, error }) => {
      if (error !== undefined) return reject(error);
      const event = data?.answerEvents;
      if (event === undefined) return;
      if (event.__typename === 'AnswerFinished') return resolve(event.answer.text);
      if (event.part !== 'TEXT') return;
      const text = shown.at(-1) ?? '';
      shown.push(text.slice(0, event.offset) + event.text + text.slice(event.offset + event.text.length));
      call.release(shown.length === 6 ? undefined : 1);
    });
  const text = await ended;
  following.unsubscribe();

  expectGrowth(shown.slice(1));
  expect(shown.at(-1)).toBe(text);
  expect(text).toBe((await saved(ada, threadId)).text);
  const thread = await client.query<Data>(documentOf('thread'), { id: threadId }).toPromise();
  expect(thread.data?.thread.messages.edges.at(-1)?.node).toMatchObject({ status: 'COMPLETE', text });
  const cached = client.readQuery<Data>(documentOf('thread'), { id: threadId });
  expect(cached?.data?.thread.messages.edges.at(-1)?.node.text).toBe(text);
});

/** A new person whose first question is held: nothing of the answer is written before the call is released. */
async function ask(server: TestServer): Promise<LastKeyUse> {
  const ada = await server.signUp();
  const { models } = await ada.addKey();
  const created = await ada.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId: ada.workspaceId },
  });
  const threadId = created.thread.id;
  const sent = await ada.ask(QUESTION, models.slice(0, 1), threadId);
  return { ada, threadId, answerId: sent.answers[0]?.id ?? '', call: await heldCall(server) };
}

interface LastKeyUse {
  ada: Person;
  threadId: string;
  answerId: string;
  call: SimulatorRequest;
}

function heldCall(server: TestServer): Promise<SimulatorRequest> {
  return server.simulator.waitForRequest(({ body }) => body.includes('simulate: held'));
}

function importApollo(server: TestServer): Promise<Apollo> {
  const possibleTypes = readFileSync(new URL('../schema/possible-types.json', import.meta.url), 'utf8');
  return importRecipe<Apollo>('apollo', server.url, { 'possible-types.json': possibleTypes });
}

async function mutate(client: ApolloClient, operation: string, input: object): Promise<Partial<Data>> {
  const { data } = await client.mutate<Data>({ mutation: gql(documentOf(operation)), variables: { input } });
  return data ?? {};
}

function held(cache: ApolloCache, answerId: string): Answer | null {
  return cache.readFragment<Answer>({
    id: `Answer:${answerId}`,
    fragment: gql`fragment Cached on Answer { id status text usage { inputTokens outputTokens } }`,
  });
}

async function saved(ada: Person, threadId: string): Promise<Answer> {
  const thread = await ada.run<Data['thread']>('thread', { id: threadId });
  const answer = thread.messages.edges.at(-1)?.node;
  if (answer === undefined) throw new Error('The thread is empty.');
  expect(answer.status).toBe('COMPLETE');
  expect(answer.text).toContain('What is a latchkey?');
  return answer;
}

/** Each text begins with the one before it. */
function expectGrowth(texts: readonly string[]): void {
  texts.slice(1).forEach((text, index) => {
    expect(text.startsWith(texts[index] ?? '')).toBe(true);
  });
  expect(new Set(texts).size).toBeGreaterThan(1);
}
