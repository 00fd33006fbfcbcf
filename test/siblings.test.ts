import { eq } from 'drizzle-orm';
import { beforeAll, expect, test, vi } from 'vitest';
import { messages } from '../src/db/tables/thread.ts';
import { messageColumns } from '../src/threads/message.ts';
import { readAnswer } from './kit/answer.ts';
import { type NamedModel, post, type Sent } from './kit/person.ts';
import { SERVERS } from './kit/server.ts';
import { useSite } from './kit/site.ts';
import { recordStatements } from './kit/statements.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();
let model: NamedModel;

beforeAll(async () => {
  const { models } = await site.ada.addKey();
  model = models[0] ?? expect.unreachable();
});

test('siblings share a parent, are counted, and are in the order in which they were created', async () => {
  const { id: threadId } = await newThread(site.ada);
  const first = await send(threadId, {});
  const answerId = first.answers[0]?.id ?? '';
  const again = await regenerate(answerId);
  const reply = await send(threadId, { parentId: answerId });
  const other = await send(threadId, { parentId: answerId });
  expect(await placesIn(threadId)).toEqual([
    { __typename: 'UserMessage', ...placed(0, [first.userMessage.id]) },
    { __typename: 'Answer', ...placed(0, [answerId, again.answer?.id]) },
    { __typename: 'Answer', ...placed(1, [answerId, again.answer?.id]) },
    { __typename: 'UserMessage', ...placed(0, [reply.userMessage.id, other.userMessage.id]) },
    { __typename: 'Answer', ...placed(0, [reply.answers[0]?.id]) },
    { __typename: 'UserMessage', ...placed(1, [reply.userMessage.id, other.userMessage.id]) },
    { __typename: 'Answer', ...placed(0, [other.answers[0]?.id]) },
  ]);
  // A page that holds the thread learns the new counts with the new message.
  expect(again.answer?.siblings).toEqual([
    { id: answerId, siblingIndex: 0, siblingCount: 2 },
    { id: again.answer?.id, siblingIndex: 1, siblingCount: 2 },
  ]);
  expect(other.userMessage.siblings.map(({ siblingCount }) => siblingCount)).toEqual([2, 2]);
});

test('the first messages of a thread are siblings, and not those of other threads', async () => {
  const threads = [await newThread(site.ada), await newThread(site.ada)];
  for (const { id: threadId } of threads) await insert(threadId, null, ['USER', 'USER', 'USER']);
  for (const { id } of threads)
    expect(
      (await placesIn(id)).map(({ siblingIndex, siblingCount }) => [siblingIndex, siblingCount]),
    ).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
});

test.runIf(SERVERS === 1)(
  'the siblings of many messages take as few statements as those of one',
  async () => {
    const statementsFor = async (count: number): Promise<number> => {
      const { id: threadId } = await newThread(site.ada);
      const parents = await insert(threadId, null, Array<'USER'>(count).fill('USER'));
      for (const parentId of parents) await insert(threadId, parentId, ['ASSISTANT', 'ASSISTANT']);
      using recorded = recordStatements();
      await placesIn(threadId);
      // All sessions are looked at every half second too.
      return recorded.texts.filter((text) => !text.includes('watched(id)')).length;
    };
    expect(await statementsFor(20)).toBe(await statementsFor(1));
  },
);

test('a message has a hundred replies of a kind and no more, and one that is refused leaves no trace', async () => {
  const { id: threadId } = await newThread(site.ada);
  const { userMessage, answers } = await send(threadId, {});
  const answerId = answers[0]?.id ?? '';
  const client = site.ada.socket();
  await readAnswer(client, answerId);
  await client.dispose();
  await insert(threadId, userMessage.id, Array<'ASSISTANT'>(98).fill('ASSISTANT'));
  await insert(threadId, answerId, Array<'USER'>(99).fill('USER'));

  expect(await regenerate(answerId)).toMatchObject({ answer: { siblingIndex: 99, siblingCount: 100 } });
  expect(await send(threadId, { parentId: answerId })).toMatchObject({
    userMessage: { siblingIndex: 99, siblingCount: 100 },
  });
  const before = await countOf(threadId);
  const full = {
    __typename: 'ConflictError',
    code: 'CONFLICT',
    fixableBy: 'YOU',
    message: 'There are 100 replies to this message, which is the most. Reply to another message.',
  };
  expect(await regenerate(answerId)).toMatchObject(full);
  expect(await send(threadId, { parentId: answerId })).toMatchObject(full);
  expect(await countOf(threadId)).toBe(before);
  expect(await send(threadId, { parentId: userMessage.id })).toMatchObject(full);
});

test('a thread has a hundred first messages and no more', async () => {
  const { id: threadId } = await newThread(site.ada);
  // Answers whose question is gone: only beside those is a further message a first one.
  await insert(threadId, null, Array<'ASSISTANT'>(100).fill('ASSISTANT'));
  expect(await send(threadId, {})).toMatchObject({
    code: 'CONFLICT',
    message:
      'This thread has 100 first messages, which is the most. Reply to one of them, or begin a new thread.',
  });
  expect(await countOf(threadId)).toBe(100);
});

test('lists of siblings within lists of siblings are refused', async () => {
  const { id: threadId } = await newThread(site.ada);
  await insert(threadId, null, Array<'USER'>(15).fill('USER'));
  const query = `{ thread(id: "${threadId}") { messages(first: 15) { nodes { siblings { siblings { id } } } } } }`;
  expect((await post(site.ada.url, site.ada.token, { query })).errors?.[0]).toMatchObject({
    message: 'The operation reads more than 200 lists. Ask for fewer items, or for fewer lists of each.',
    extensions: { code: 'DOCUMENT_LIMIT' },
  });
});

test.runIf(SERVERS === 1)(
  'what a refused operation had begun to read may fail after its response without ending the server',
  async () => {
    const { id: threadId } = await newThread(site.ada);
    await insert(threadId, null, Array<'USER'>(15).fill('USER'));
    const { db } = site.server.app;
    const failed = Promise.withResolvers<void>();
    let reads = 0; // of the page, of its siblings, and of theirs
    const select = db.select.bind(db);
    const failLate = async () => {
      await response;
      failed.resolve();
      throw new Error('The database is away.');
    };
    vi.spyOn(db, 'select').mockImplementation(((columns: typeof messageColumns) =>
      columns === messageColumns && ++reads > 2
        ? { from: () => ({ where: failLate }) }
        : select(columns)) as never);
    const query = `{ thread(id: "${threadId}") { messages(first: 15) { nodes { siblings { siblings { id } } } } } }`;
    const response = post(site.ada.url, site.ada.token, { query });
    expect((await response).errors?.[0]?.extensions).toEqual({ code: 'DOCUMENT_LIMIT' });
    await failed.promise;
    vi.restoreAllMocks();
    // A rejection that nobody handles ends the process; here it fails the run.
    expect((await post(site.ada.url, site.ada.token, { query: '{ viewer { id } }' })).errors).toBeUndefined();
  },
);

interface Place {
  id: string;
  siblingIndex: number;
  siblingCount: number;
}

type Asked = Sent & { userMessage: { siblings: Place[] } };

function send(threadId: string, more: object): Promise<Asked> {
  const input = { threadId, text: 'simulate: say Yes.', modelIds: [model.id], ...more };
  return site.ada.run('send-message', { input });
}

function regenerate(answerId: string): Promise<{ answer?: Place & { siblings: Place[] } }> {
  return site.ada.run('regenerate-answer', { input: { answerId } });
}

/** Index of each message of a thread among its siblings. */
async function placesIn(threadId: string): Promise<(Place & { siblings: { id: string }[] })[]> {
  const query = `{ thread(id: "${threadId}") { messages(first: 100) {
    nodes { __typename siblings { id } siblingIndex siblingCount } } } }`;
  const { data } = await post(site.ada.url, site.ada.token, { query });
  return (data as { thread: { messages: { nodes: [] } } }).thread.messages.nodes;
}

function placed(siblingIndex: number, ids: (string | undefined)[]) {
  return { siblings: ids.map((id) => ({ id })), siblingIndex, siblingCount: ids.length };
}

/** Saves messages at the beginning of a thread, all replying to one message or to none. */
async function insert(
  threadId: string,
  parentId: string | null,
  roles: readonly ('USER' | 'ASSISTANT')[],
): Promise<string[]> {
  const { db } = site.server.app;
  // Before those that the thread has counted: it goes on counting from its own number.
  const from = (await countOf(threadId)) - 10_000;
  const rows = roles.map((role, index) => ({ threadId, parentId, role, position: from + index }));
  const values = rows.map((row) => ({ ...row, status: 'COMPLETE' as const, text: 'Inserted.' }));
  return (await db.insert(messages).values(values).returning({ id: messages.id })).map(({ id }) => id);
}

async function countOf(threadId: string): Promise<number> {
  const { db } = site.server.app;
  return await db.$count(messages, eq(messages.threadId, threadId));
}
