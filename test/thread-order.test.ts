import { eq } from 'drizzle-orm';
import { beforeEach, expect, test } from 'vitest';
import { threads } from '../src/db/tables/thread.ts';
import { type Follower, follow, readAnswer } from './kit/answer.ts';
import { type NamedModel, type Person, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();
let ada: Person;
let model: NamedModel;
let names: Map<string, string>;

beforeEach(async () => {
  ada = await site.server.signUp();
  model = (await ada.addKey()).models[0] ?? expect.unreachable();
  names = new Map();
  for (const title of ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    names.set(title, (await newThread(ada, { title })).id);
});

test('threads are listed by their newest message, and in other orders when asked', async () => {
  await write('c');
  await write('a');
  expect((await page()).titles).toBe('acgfedb');
  expect((await page(`orderBy: { field: LAST_MESSAGE, direction: ASC }`)).titles).toBe('bdefgca');
  expect((await page(`orderBy: { field: CREATED_AT, direction: DESC }`)).titles).toBe('gfedcba');
  expect((await page(`orderBy: { field: CREATED_AT, direction: ASC }`)).titles).toBe('abcdefg');
  expect((await page('orderBy: null')).titles).toBe('acgfedb');
});

test('a change of the title moves no thread, but counts as a change', async () => {
  const id = idOf('b');
  const before = await find(id);
  await ada.run('update-thread', { input: { id, title: 'b' } });
  const after = await find(id);
  expect(after.lastMessageAt).toBe(before.lastMessageAt);
  expect(Date.parse(after.updatedAt)).toBeGreaterThan(Date.parse(before.updatedAt));
  expect((await page()).titles).toBe('gfedcba');
});

test.each(['first: 2', 'first: 3', 'last: 2', 'last: 3'])(
  'threads with messages at the same instant are paged without a gap or a repetition, %s at a time',
  async (size) => {
    const { db } = site.server.app;
    const workspace = eq(threads.workspaceId, ada.workspaceId);
    await db
      .update(threads)
      .set({ lastMessageAt: new Date('2026-01-01T12:00:00.123Z') })
      .where(workspace);
    const isForward = size.startsWith('first');
    const pages: string[] = [];
    for (let cursor: string | null = null; ; ) {
      const beyond: string = cursor === null ? '' : `, ${isForward ? 'after' : 'before'}: "${cursor}"`;
      const read = await page(size + beyond);
      pages.push(read.titles);
      cursor = isForward ? read.pageInfo.endCursor : read.pageInfo.startCursor;
      if (!(isForward ? read.pageInfo.hasNextPage : read.pageInfo.hasPreviousPage)) break;
    }
    expect((isForward ? pages : pages.toReversed()).join('')).toBe('gfedcba');
  },
);

test('threads that stay are found exactly once while others move and go, also the one a cursor was taken from', async () => {
  const first = await page('first: 3');
  expect(first.titles).toBe('gfe');
  await write('e'); // where the next page begins
  await write('c'); // has not been seen yet
  await ada.run('delete-thread', { input: { id: idOf('f') } });
  const second = await page(`first: 3, after: "${first.pageInfo.endCursor}"`);
  expect(second.titles).toBe('dba');
  expect(second.pageInfo.hasNextPage).toBe(false);
  expect((await page(`last: 3, before: "${first.pageInfo.endCursor}"`)).titles).toBe('ceg');
});

test('who follows the workspace learns where a thread moves', async () => {
  const client: Follower = ada.socket();
  const events = follow<WorkspaceEvent>(client, 'workspace-events', { workspaceId: ada.workspaceId });
  await events.next();
  await write('b');
  for await (const { __typename, thread } of events) {
    if (__typename !== 'ThreadUpdated' || thread.id !== idOf('b')) continue;
    const { lastMessageAt, updatedAt } = await find(thread.id);
    expect(thread.lastMessageAt).toBe(lastMessageAt);
    expect(Date.parse(thread.updatedAt)).toBeLessThanOrEqual(Date.parse(updatedAt));
    break;
  }
  await client.dispose();
});

test('a cursor of one order is no cursor of another', async () => {
  const { pageInfo } = await page('first: 1');
  const query = listing(`after: "${pageInfo.endCursor}", orderBy: { field: CREATED_AT, direction: DESC }`);
  const { errors } = await post(site.server.url, ada.token, { query, variables: { id: ada.workspaceId } });
  expect(errors).toMatchObject([
    {
      message: 'after is no cursor of this list. Use one that the list returned.',
      extensions: { code: 'BAD_INPUT' },
    },
  ]);
});

interface WorkspaceEvent {
  __typename: string;
  thread: { id: string; updatedAt: string; lastMessageAt: string };
}

interface ListedThreads {
  nodes: { title: string }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
}

function idOf(title: string): string {
  return names.get(title) ?? expect.unreachable();
}

/** Writes in a thread, and waits for the answer. */
async function write(title: string): Promise<void> {
  const { answers } = await ada.ask('Hello?', [model], idOf(title));
  const client = ada.socket();
  await readAnswer(client, answers[0]?.id ?? '');
  await client.dispose();
}

function listing(args: string): string {
  return `query ($id: ID!) { workspace(id: $id) { threads${args === '' ? '' : `(${args})`} {
    nodes { title } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
}

async function page(args = ''): Promise<ListedThreads & { titles: string }> {
  const body = { query: listing(args), variables: { id: ada.workspaceId } };
  const { data } = await post(site.server.url, ada.token, body);
  const workspace = data?.workspace as { threads: ListedThreads };
  const { threads } = workspace;
  return { ...threads, titles: threads.nodes.map(({ title }) => title).join('') };
}

async function find(id: string): Promise<{ updatedAt: string; lastMessageAt: string }> {
  const query = 'query ($id: ID!) { thread(id: $id) { updatedAt lastMessageAt } }';
  const { data } = await post(site.server.url, ada.token, { query, variables: { id } });
  return data?.thread as { updatedAt: string; lastMessageAt: string };
}
