import { asc, count, eq } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { endAllLeases } from '../src/answers/take-over.ts';
import { answerChunks, messages, threads } from '../src/db/tables/thread.ts';
import { follow, readAnswer, TRANSPORTS } from './kit/answer.ts';
import { failStatements, freshDatabase, replaceNextTransaction } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { startScriptedProvider } from './kit/scripted-provider.ts';
import { announceEverywhere, startTestServer, type TestServer } from './kit/server.ts';

/** A server with a database of its own, a person and a model that writes what the test says. */
async function startScripted() {
  const provider = await startScriptedProvider();
  const opened = await freshDatabase();
  // Servers that follow each other on this database must not close it.
  const database = { ...opened, close: async () => {} };
  const env = { LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host };
  const server = await startTestServer(env, { database });
  const ada = await server.signUp();
  const [model] = (await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl })).models;
  return {
    ...{ provider, server, ada, model: model as NamedModel },
    /** Another server on the same database, as after a crash. */
    async restart() {
      await endAllLeases(opened.db);
      return await startTestServer(env, { database });
    },
    async [Symbol.asyncDispose]() {
      await provider[Symbol.asyncDispose]();
      await opened.close();
    },
  };
}

async function savedText({ app }: TestServer, answerId: string, part: 'TEXT' | 'REASONING'): Promise<string> {
  const chunks = await app.db
    .select()
    .from(answerChunks)
    .where(eq(answerChunks.messageId, answerId))
    .orderBy(asc(answerChunks.fromOffset));
  let text = '';
  for (const chunk of chunks) {
    if (chunk.part !== part) continue;
    expect(chunk.fromOffset).toBe(text.length);
    text += chunk.text;
  }
  return text;
}

function ask(person: Person, model: NamedModel) {
  return person.ask('Go on.', [model]).then(({ answers, thread }) => ({
    answerId: answers[0]?.id ?? '',
    threadId: thread.id,
  }));
}

test('what was written is saved within a second, and survives a crash as an interrupted answer', async () => {
  await using house = await startScripted();
  const { server, ada } = house;
  const { answerId, threadId } = await ask(ada, house.model);
  const call = await house.provider.nextCall();
  call.write({ reasoning_content: 'Let me see. 🚀' });
  call.write({ content: 'Once ' });
  const startedAt = performance.now();
  await eventually(
    'the first words are saved',
    async () => (await savedText(server, answerId, 'TEXT')) === 'Once ',
  );
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  call.write({ content: 'upon a \0time \ud83d' });
  call.write({ content: '\ude80' });
  const saved = 'Once upon a time 🚀';
  await eventually('the rest is saved', async () => (await savedText(server, answerId, 'TEXT')) === saved);
  const [before] = await server.app.db.select().from(threads).where(eq(threads.id, threadId));

  // The first server is still there, as a process is that crashed without closing anything; the second knows nothing of it.
  const second = await house.restart();
  expect(await second.app.db.select().from(messages).where(eq(messages.id, answerId))).toMatchObject([
    { status: 'INTERRUPTED', text: saved, reasoning: 'Let me see. 🚀', errorCode: 'INTERRUPTED' },
  ]);
  expect(await chunkCount(second)).toBe(0);
  const [after] = await second.app.db.select().from(threads).where(eq(threads.id, threadId));
  expect(after?.revision).toBeGreaterThan(before?.revision ?? Number.POSITIVE_INFINITY);

  // An ending is final: the first writer finds its lease lost, and its readers get the saved end.
  call.write({ content: ' and more' });
  call.finish();
  const client = ada.socket();
  expect((await readAnswer(client, answerId)).end).toMatchObject({
    __typename: 'AnswerFailed',
    answer: { status: 'INTERRUPTED', text: saved },
    error: { code: 'INTERRUPTED' },
  });
  expect(await second.app.db.select().from(messages).where(eq(messages.id, answerId))).toMatchObject([
    { status: 'INTERRUPTED', text: saved },
  ]);
  await client.dispose();
  await server.close();
  await second.close();
});

async function chunkCount({ app }: TestServer): Promise<number | undefined> {
  return (await app.db.select({ count: count() }).from(answerChunks))[0]?.count;
}

test('a whole answer leaves nothing of its checkpoints behind', async () => {
  await using house = await startScripted();
  const { server, ada } = house;
  const { answerId } = await ask(ada, house.model);
  const call = await house.provider.nextCall();
  call.write({ content: 'Once ' });
  await eventually(
    'the words are saved',
    async () => (await savedText(server, answerId, 'TEXT')) === 'Once ',
  );
  const client = ada.socket();
  call.finish();
  expect((await readAnswer(client, answerId)).end).toMatchObject({ answer: { text: 'Once ' } });
  expect(await chunkCount(server)).toBe(0);
  await client.dispose();
  await server.close();
});

test('a server that closes ends its answers as interrupted, with all of their text', async () => {
  await using house = await startScripted();
  const { server, ada } = house;
  const { answerId } = await ask(ada, house.model);
  const call = await house.provider.nextCall();
  call.write({ content: 'Once upon' });
  const client = ada.socket();
  const events = follow(client, 'answer-events', { answerId });
  expect((await events.next()).value?.text).toBe('Once upon');
  await events.return(undefined);
  await client.dispose();
  await server.close();
  const second = await house.restart();
  expect(await second.app.db.select().from(messages).where(eq(messages.id, answerId))).toMatchObject([
    { status: 'INTERRUPTED', text: 'Once upon' },
  ]);
  await second.close();
});

test('a message that is being sent while the server closes leaves no answer without an end', async () => {
  await using house = await startScripted();
  const { server, ada } = house;
  const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId: ada.workspaceId },
  });
  const sends = Array.from({ length: 8 }, (_, index) =>
    ada.ask(`Number ${index}`, [house.model], thread.id).catch(() => undefined),
  );
  await eventually('a send is on its way', () => server.app.running.begun().length > 0);
  await server.close();
  await Promise.all(sends);
  const left = await server.app.db.select().from(messages).where(eq(messages.status, 'WRITING'));
  expect(left).toEqual([]);
});

test('a server whose database is gone closes all the same', async () => {
  const provider = await startScriptedProvider();
  const database = await freshDatabase();
  const server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host }, { database });
  const ada = await server.signUp();
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  await ada.ask('Go on.', models);
  (await provider.nextCall()).write({ content: 'Once' });
  await database.close();
  await server.close().catch(() => {});
  expect(server.app.running.begun()).toEqual([]);
  await provider[Symbol.asyncDispose]();
});

test('answers go on while the database fails, and are saved when it is back', async () => {
  await using house = await startScripted();
  const { server, ada } = house;
  const { answerId } = await ask(ada, house.model);
  const call = await house.provider.nextCall();
  const client = ada.socket();
  const events = follow(client, 'answer-events', { answerId });
  call.write({ content: 'Once ' });
  expect((await events.next()).value?.text).toBe('Once ');
  const broken = failStatements(server.app.db, /update "messages"/, away('ECONNREFUSED'), 2);
  call.write({ content: 'upon a time' });
  expect((await events.next()).value?.text).toBe('upon a time');
  call.finish();
  expect((await events.next()).value).toMatchObject({
    __typename: 'AnswerFinished',
    answer: { status: 'COMPLETE', text: 'Once upon a time' },
  });
  expect(broken.left).toBe(0);
  await client.dispose();
  await server.close();
});

test.each([
  { title: 'happened all the same', isCommitted: true },
  { title: 'did not happen', isCommitted: false },
])(
  'a send whose commit failed without a word, and $title, can be repeated and is answered once',
  async ({ isCommitted }) => {
    await using house = await startScripted();
    const { server, ada, model, provider } = house;
    const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: ada.workspaceId },
    });
    const input = { threadId: thread.id, text: 'Go on.', modelIds: [model.id], idempotencyKey: 'once' };
    loseNextCommit(server.app.db, isCommitted);
    await expect(ada.run('send-message', { input })).rejects.toThrow('OVERLOADED');
    const { answers } = await ada.run<{ answers: { id: string }[] }>('send-message', { input });
    const client = ada.socket();
    const reading = readAnswer(client, answers[0]?.id ?? '');
    const call = await provider.nextCall();
    call.write({ content: 'Once.' });
    call.finish();
    expect((await reading).end).toMatchObject({ answer: { status: 'COMPLETE', text: 'Once.' } });
    const rows = await server.app.db.select().from(messages).where(eq(messages.threadId, thread.id));
    expect(rows.map(({ role, status }) => `${role} ${status}`).sort()).toEqual([
      'ASSISTANT COMPLETE',
      'USER COMPLETE',
    ]);
    await client.dispose();
    await server.close(); // which waits for all answers there are
  },
);

function away(code: string): Error {
  return Object.assign(new Error('gone'), { code });
}

/** Lets the next transaction, and the look-up after it, fail as if the connection had broken; it is carried out or not. */
function loseNextCommit(db: TestServer['app']['db'], isCommitted: boolean): void {
  replaceNextTransaction(db, async (run) => {
    if (isCommitted) await run();
    failStatements(db, /select "id" from "messages"/, away('ECONNRESET'), 1);
    throw away('ECONNRESET');
  });
}

test('a send whose commit happened without a word, and cannot be looked up before the server closes, ends as INTERRUPTED', async () => {
  await using house = await startScripted();
  const { server, ada, model } = house;
  const { db } = server.app;
  const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId: ada.workspaceId },
  });
  loseNextCommit(db, true);
  using _failing = failStatements(db, /select "id" from "messages"/, away('ECONNRESET'));
  const input = { threadId: thread.id, text: 'Go on.', modelIds: [model.id] };
  await expect(ada.run('send-message', { input })).rejects.toThrow('OVERLOADED');
  await server.close();
  const rows = await db.select().from(messages).where(eq(messages.threadId, thread.id));
  expect(rows.map(({ role, status }) => `${role} ${status}`).sort()).toEqual([
    'ASSISTANT INTERRUPTED',
    'USER COMPLETE',
  ]);
});

test.for(Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[])(
  'a follower whose database fails gets an error without details, over %s',
  async (transport) => {
    await using house = await startScripted();
    const { server, ada } = house;
    const { answerId, threadId } = await ask(ada, house.model);
    const call = await house.provider.nextCall();
    const client = TRANSPORTS[transport](ada);
    const events = follow(client, 'thread-events', { threadId });
    await events.next();
    const { db } = server.app;
    const { select } = db;
    db.select = () => {
      throw new Error('Failed query: select secret');
    };
    announceEverywhere(server, threadId, [threadId]);
    const failure: unknown = await events.next().catch((error: unknown) => error);
    db.select = select;
    expect(JSON.stringify(failure instanceof Error ? failure.message : failure)).toContain('INTERNAL');
    expect(JSON.stringify(failure instanceof Error ? failure.message : failure)).not.toContain(
      'Failed query',
    );
    call.write({ content: 'Still here.' });
    call.finish();
    expect((await readAnswer(client, answerId)).end).toMatchObject({ answer: { text: 'Still here.' } });
    client.drop();
    await server.close();
  },
);
