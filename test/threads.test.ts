import { and, eq, gt, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { messages, type threads } from '../src/db/tables/thread.ts';
import { threadEvents } from '../src/follow/thread.ts';
import type { announcedColumns } from '../src/threads/thread.ts';
import { applyDelta, askHeld, type Event, type Follower, follow, isEnd } from './kit/answer.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { letIn, newWorkspace } from './kit/people.ts';
import { documentOf, type NamedModel, type Person, post } from './kit/person.ts';
import { SERVERS } from './kit/server.ts';
import { useSite } from './kit/site.ts';
import { type CreatedThread, newThread } from './kit/thread.ts';

const site = useSite();
let models: NamedModel[];
let nano: NamedModel;
let client: Follower;

beforeAll(async () => {
  models = (await site.ada.addKey('OPENAI')).models;
  nano = models.find(({ name }) => name === 'gpt-4.1-nano') as NamedModel;
  client = site.ada.socket();
});

afterAll(() => client?.dispose());

describe('following a thread', () => {
  test('following a thread begins with a snapshot, then sends every event in order', async () => {
    const thread = await newThread(site.ada);
    const events = follow(client, 'thread-events', { threadId: thread.id });
    expect(await nextOf(events)).toEqual({
      __typename: 'ThreadSnapshot',
      thread,
      writing: [],
    });

    const sent = await site.ada.ask('One\nsimulate: held', models.slice(0, 3), thread.id);
    const added: Event[] = [];
    while (added.length < 4) added.push(await nextOfMessages(events));
    expect(added.map(({ __typename, message }) => [__typename, message.id, message.status])).toEqual([
      ['MessageAdded', sent.userMessage.id, undefined],
      ...sent.answers.map(({ id }) => ['MessageAdded', id, 'WRITING']),
    ]);
    expect(added[0]?.message.thread.revision).toBeGreaterThan(thread.revision);

    await releaseAll('One');
    const held = new Map(
      added.slice(1).map(({ message: { id, text, reasoning } }) => [id, { text, reasoning }] as const),
    );
    const ends: Event[] = [];
    while (ends.length < 3) {
      const event = await nextOfMessages(events);
      if (isEnd(event)) ends.push(event);
      else expect(applyDelta(held.get(event.answerId) ?? fail(event), event)).toBe(true);
    }
    for (const { answer } of ends)
      expect(held.get(answer.id)).toEqual({ text: answer.text, reasoning: answer.reasoning });

    const { thread: renamed } = await site.ada.run<{ thread: CreatedThread }>('update-thread', {
      input: { id: thread.id, title: 'Three answers' },
    });
    expect(await nextOf(events)).toEqual({ __typename: 'ThreadUpdated', thread: renamed });
    expect(renamed.revision).toBeGreaterThan(added[0]?.message.thread.revision ?? Number.POSITIVE_INFINITY);
    await site.ada.run('delete-thread', { input: { id: thread.id } });
    expect(await nextOf(events)).toEqual({ __typename: 'ThreadRemoved', removedId: thread.id });
    expect((await events.next()).done).toBe(true);
  });

  test('a follower that is behind gets all messages in order, and they are read in small batches', async () => {
    const { app } = site.server;
    const { id: threadId } = await newThread(site.ada);
    const viewer = { ...site.ada, name: 'Ada', sessionId: 'ses_none', address: '127.0.0.1' };
    const events = await threadEvents(app, viewer, threadId);
    await events.next();
    const positions = Array.from({ length: 40 }, (_none, index) => index + 1);
    const row = { threadId, role: 'USER', status: 'COMPLETE', text: '' } as const;
    await app.db.insert(messages).values(positions.map((position) => ({ ...row, position })));
    app.changes.announce(threadId, [threadId]);
    const added: number[] = [];
    async function read(): Promise<void> {
      const { value } = await events.next();
      if (value?.type === 'message-added') added.push(value.message.position);
    }
    while (added.length < 20) await read();
    // What has not been read from the database yet can still go.
    await app.db.delete(messages).where(and(eq(messages.threadId, threadId), gt(messages.position, 38)));
    while (added.length < 38) await read();
    expect(added).toEqual(positions.slice(0, 38));
    app.changes.announce(threadId, [threadId]);
    expect((await events.next()).value).toMatchObject({ type: 'thread-updated' });
    await events.return?.();
  });

  test('an answer that floods does not keep the words of the others waiting', async () => {
    const { id: threadId } = await newThread(site.ada);
    const events = follow(client, 'thread-events', { threadId });
    await nextOf(events);
    const flood = await site.ada.ask('simulate: flood', [nano], threadId);
    const slow = await askHeld(site.server.simulator, site.ada, nano, { threadId });
    // What is written before an answer is sent comes with it, and not as a delta.
    while ((await nextOf(events)).message?.id !== slow.answerId);
    let deltas = 0;
    for (let words = 1; words <= 5; words++) {
      slow.call.release(1);
      for (deltas = 0; ; deltas++) if ((await nextOf(events)).answerId === slow.answerId) break;
      expect(deltas).toBeLessThan(500);
    }
    await site.ada.run('stop-answer', { input: { answerId: flood.answers[0]?.id } });
    await site.ada.run('stop-answer', { input: { answerId: slow.answerId } });
    await events.return(undefined);
  });

  test('two watchers see the same, and one that joins in mid-answer has the text so far', async () => {
    const { answerId, threadId, call } = await askHeld(site.server.simulator, site.ada, nano);
    const early = site.ada.socket();
    const watching = watch(early, threadId);
    call.release(6);
    await watching.until((held) => Boolean(held.get(answerId)?.text));
    const reconnected = site.ada.socket();
    const joined = watch(reconnected, threadId);
    await joined.until((held) => held.has(answerId));
    const soFar = joined.snapshot()?.writing.find(({ id }) => id === answerId);
    expect(soFar?.status).toBe('WRITING');
    // Another server has what was saved, which may be half a second old.
    if (SERVERS === 1) expect(soFar?.text).not.toBe('');
    call.release();
    const [first, second] = await Promise.all([watching.end, joined.end]);
    expect(first.get(answerId)?.text).toBeTruthy();
    expect(second).toEqual(first);
    await early.dispose();
    await reconnected.dispose();
  });

  test('messages that are sent at the same time are followed once each, in their order', async () => {
    const { id: threadId } = await newThread(site.ada);
    const events = follow(client, 'thread-events', { threadId });
    await nextOf(events);
    const all = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        site.ada.ask(`Number ${index}\nsimulate: say Yes.`, [nano], threadId),
      ),
    );
    const added: string[] = [];
    while (added.length < 12) {
      const event = await nextOf(events);
      if (event.__typename === 'MessageAdded') added.push(event.message.id);
    }
    const { messages } = await site.ada.run<{ messages: Page<{ id: string }> }>('thread', {
      id: threadId,
    });
    expect(added).toEqual(nodesOf(messages).map(({ id }) => id));
    expect(new Set(added)).toEqual(
      new Set(all.flatMap(({ userMessage, answers }) => [userMessage.id, ...answers.map(({ id }) => id)])),
    );
    await events.return(undefined);
  });

  test('a person who may not see a thread gets the same error as for one that does not exist', async () => {
    const thread = await newThread(site.ada);
    const eve = await site.server.signUp('Eve');
    const socket = eve.socket();
    const refusals = await Promise.all(
      [thread.id, 'thr_00000000000000000000000000'].map(
        async (threadId) =>
          await nextOf(follow(socket, 'thread-events', { threadId })).catch((error: Error) => error.message),
      ),
    );
    expect(refusals[0]).toContain('NOT_FOUND');
    expect(refusals[1]).toBe(refusals[0]);
    await socket.dispose();
  });
});

describe('threads', () => {
  test('a thread is created, renamed and deleted', async () => {
    expect(await newThread(site.ada)).toMatchObject({
      title: 'New thread',
      visibility: 'PRIVATE',
      revision: 1,
    });
    const thread = await newThread(site.ada, { title: '  Plans\0 ', visibility: 'WORKSPACE' });
    expect(thread).toMatchObject({ title: 'Plans', visibility: 'WORKSPACE' });
    const { thread: hidden } = await site.ada.run<{ thread: CreatedThread }>('update-thread', {
      input: { id: thread.id, visibility: 'PRIVATE' },
    });
    const updatedAt = expect.any(String);
    expect(hidden).toEqual({ ...thread, visibility: 'PRIVATE', revision: thread.revision + 1, updatedAt });
    expect(await site.ada.run('delete-thread', { input: { id: thread.id } })).toEqual({
      __typename: 'DeleteThreadPayload',
      removedId: thread.id,
    });
    expect(await site.ada.run('thread', { id: thread.id })).toBeNull();
    expect(await site.ada.run('delete-thread', { input: { id: thread.id } })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('changes of a title and of who sees it do not undo each other', async () => {
    const thread = await newThread(site.ada);
    const input = { id: thread.id };
    await Promise.all([
      site.ada.run('update-thread', { input: { ...input, title: 'Plans' } }),
      site.ada.run('update-thread', { input: { ...input, visibility: 'WORKSPACE' } }),
    ]);
    expect(await site.ada.run('thread', { id: thread.id })).toMatchObject({
      title: 'Plans',
      visibility: 'WORKSPACE',
      revision: thread.revision + 2,
    });
  });

  // The moment in between is one in a certain process.
  const testOfOne = test.runIf(SERVERS === 1);
  testOfOne('a member who names the visibility they saw does not undo that it was made private', async () => {
    const { ada, server } = site;
    const bob = await server.signUp('Bob');
    const workspaceId = await newWorkspace(ada);
    await letIn(ada, workspaceId, bob, 'MEMBER');
    const input = { workspaceId, title: 'Plans', visibility: 'WORKSPACE' };
    const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', { input });
    const { db } = server.app;
    const update = db.update.bind(db);
    const between = (table: typeof threads) => ({
      set: (values: object) => ({
        where: (condition: SQL) => ({
          returning: async (columns: typeof announcedColumns) => {
            await ada.run('update-thread', { input: { id: thread.id, visibility: 'PRIVATE' } });
            return await update(table).set(values).where(condition).returning(columns);
          },
        }),
      }),
    });
    vi.spyOn(db, 'update').mockImplementationOnce(between as never);
    const again = { id: thread.id, title: 'My plans', visibility: 'WORKSPACE' };
    expect(await bob.run('update-thread', { input: again })).toMatchObject({ code: 'NOT_FOUND' });
    vi.restoreAllMocks();
    expect(await ada.run('thread', { id: thread.id })).toMatchObject({
      title: 'Plans',
      visibility: 'PRIVATE',
    });
  });

  test.for(['', ' \0 ', 'x'.repeat(201)])('a title of %o is refused', async (title) => {
    const input = { workspaceId: site.ada.workspaceId, title };
    expect(await site.ada.run('create-thread', { input })).toMatchObject({
      __typename: 'InvalidInputError',
      message: 'A title has between 1 and 200 characters.',
    });
  });

  test('what belongs to another person is answered as if nothing were there, byte for byte', async () => {
    const sent = await site.ada.ask('One', [nano]);
    const eve = await site.server.signUp('Eve');
    const own = (
      await eve.run<{ thread: CreatedThread }>('create-thread', {
        input: { workspaceId: eve.workspaceId },
      })
    ).thread;
    const answerId = sent.answers[0]?.id;
    const operations: [
      string,
      (ids: Record<'thread' | 'message' | 'workspace' | 'model', string>) => object,
    ][] = [
      ['thread', ({ thread }) => ({ id: thread })],
      ['threads', ({ workspace }) => ({ workspaceId: workspace })],
      ['create-thread', ({ workspace }) => ({ input: { workspaceId: workspace } })],
      ['update-thread', ({ thread }) => ({ input: { id: thread, title: 'Mine' } })],
      ['delete-thread', ({ thread }) => ({ input: { id: thread } })],
      [
        'send-message',
        ({ thread, model }) => ({ input: { threadId: thread, text: 'x', modelIds: [model] } }),
      ],
      ['send-message', ({ model }) => ({ input: { threadId: own.id, text: 'x', modelIds: [model] } })],
      ['stop-answer', ({ message }) => ({ input: { answerId: message } })],
      ['regenerate-answer', ({ message }) => ({ input: { answerId: message } })],
    ];
    const theirs = {
      thread: sent.thread.id,
      message: answerId ?? '',
      workspace: site.ada.workspaceId,
      model: nano.id,
    };
    const nothing = {
      thread: 'thr_00000000000000000000000000',
      message: 'msg_00000000000000000000000000',
      workspace: 'wsp_00000000000000000000000000',
      model: 'mdl_00000000000000000000000000',
    };
    for (const [operation, variables] of operations) {
      const [foreign, absent] = await Promise.all(
        [theirs, nothing].map(async (ids) =>
          JSON.stringify(
            await post(eve.url, eve.token, { query: documentOf(operation), variables: variables(ids) }),
          ),
        ),
      );
      expect(foreign, operation).toBe(absent);
      expect(foreign, operation).toMatch(/NOT_FOUND|":null/);
    }
    for (const id of Object.values(theirs)) {
      const query = 'query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }';
      expect(await post(eve.url, eve.token, { query, variables: { id } })).toEqual({
        data: { node: null, nodes: [null] },
      });
    }
    expect(await site.ada.run('thread', { id: sent.thread.id })).toMatchObject({ title: 'New thread' });
  });
});

describe('pages', () => {
  const THREADS = `query ($id: ID!, $first: Int, $last: Int, $after: String, $before: String) {
    workspace(id: $id) { threads(first: $first, last: $last, after: $after, before: $before) {
      nodes { title } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
  const MESSAGES = `query ($id: ID!, $first: Int, $last: Int, $after: String, $before: String) {
    thread(id: $id) { messages(first: $first, last: $last, after: $after, before: $before) {
      nodes { title: text } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;

  interface PageResult {
    nodes: { title: string }[];
    pageInfo: {
      hasNextPage: boolean;
      hasPreviousPage: boolean;
      startCursor: string | null;
      endCursor: string | null;
    };
  }

  let lists: { name: string; query: string; person: Person; id: string; titles: string[] }[];

  beforeAll(async () => {
    const bob = await site.server.signUp('Bob');
    const titles = ['1', '2', '3', '4', '5'];
    for (const title of titles)
      await bob.run('create-thread', { input: { workspaceId: bob.workspaceId, title } });
    const { id } = await newThread(site.ada);
    for (const text of ['1', '3']) {
      const sent = await site.ada.ask(`${text}\nsimulate: say ${Number(text) + 1}`, [nano], id);
      const events = follow(client, 'answer-events', { answerId: sent.answers[0]?.id });
      for await (const event of events) expect(event.__typename).not.toBe('AnswerFailed');
    }
    lists = [
      { name: 'threads', query: THREADS, person: bob, id: bob.workspaceId, titles: titles.toReversed() },
      {
        name: 'messages',
        query: MESSAGES,
        person: site.ada,
        id,
        titles: ['1\nsimulate: say 2', '2', '3\nsimulate: say 4', '4'],
      },
    ];
  });

  async function page({ query, person, id }: (typeof lists)[number], variables: object): Promise<PageResult> {
    const { data, errors } = await post(person.url, person.token, { query, variables: { id, ...variables } });
    if (errors !== undefined) throw new Error(`${errors[0]?.extensions.code}: ${errors[0]?.message}`);
    const [parent] = Object.values(data ?? {}) as Record<string, PageResult>[];
    return Object.values(parent ?? {})[0] as PageResult;
  }

  test('a list is walked forwards and backwards without a gap or a repetition', async () => {
    for (const list of lists) {
      const forwards: string[] = [];
      let after: string | null = null;
      for (let more = true; more; ) {
        const { nodes, pageInfo } = await page(list, { first: 2, after });
        forwards.push(...nodes.map(({ title }) => title));
        expect(pageInfo.hasPreviousPage).toBe(after !== null);
        after = pageInfo.endCursor;
        more = pageInfo.hasNextPage;
      }
      expect(forwards, list.name).toEqual(list.titles);

      const backwards: string[] = [];
      let before: string | null = null;
      for (let more = true; more; ) {
        const { nodes, pageInfo } = await page(list, { last: 2, before });
        backwards.unshift(...nodes.map(({ title }) => title));
        expect(pageInfo.hasNextPage).toBe(before !== null);
        before = pageInfo.startCursor;
        more = pageInfo.hasPreviousPage;
      }
      expect(backwards, list.name).toEqual(list.titles);
    }
  });

  test('a page may lie between two cursors, and behind the end there is an empty one', async () => {
    for (const list of lists) {
      const { pageInfo } = await page(list, {});
      const { startCursor, endCursor } = pageInfo;
      const inner = await page(list, { after: startCursor, before: endCursor });
      expect(inner.nodes.map(({ title }) => title)).toEqual(list.titles.slice(1, -1));
      expect(await page(list, { after: endCursor })).toEqual({
        nodes: [],
        pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
      });
    }
  });

  test('a page that cannot be is refused', async () => {
    for (const list of lists) {
      for (const variables of [
        { first: 1, last: 1 },
        { first: 0 },
        { first: 101 },
        { last: -1 },
        { after: 'nonsense' },
        { before: '' },
        { after: Buffer.from('thr_\0').toString('base64url') },
        { after: Buffer.from("1' or 1=1").toString('base64url') },
      ])
        await expect(page(list, variables), JSON.stringify(variables)).rejects.toThrow('BAD_INPUT: ');
    }
  });
});

/** Follows a thread as a client would, until all answers it knows of have ended. */
function watch(socket: Follower, threadId: string) {
  const held = new Map<string, { text: string; reasoning: string }>();
  const looks = new Set<() => void>();
  let snapshot: Event | undefined;
  async function run() {
    let open = 0;
    for await (const event of follow(socket, 'thread-events', { threadId })) {
      if (event.__typename === 'ThreadSnapshot') {
        snapshot = event;
        for (const { id, text, reasoning } of event.writing) held.set(id, { text, reasoning });
        open = event.writing.length;
      }
      if (event.__typename === 'AnswerDelta') applyDelta(held.get(event.answerId) ?? fail(event), event);
      for (const look of looks) look();
      if (isEnd(event)) {
        expect(held.get(event.answer.id)?.text).toBe(event.answer.text);
        if (--open === 0) return held;
      }
    }
    return held;
  }
  return {
    end: run(),
    snapshot: () => snapshot,
    until(isSo: (held: ReadonlyMap<string, { text: string; reasoning: string }>) => boolean): Promise<void> {
      return new Promise((resolve) => {
        function look() {
          if (isSo(held)) resolve();
        }
        looks.add(look);
        look();
      });
    },
  };
}

/** Lets the held answers to a question go on, once the provider has all three. */
async function releaseAll(question: string): Promise<void> {
  const seen = new Set<object>();
  while (seen.size < 3) {
    const call = await site.server.simulator.waitForRequest((request) => {
      return request.body.includes(`${question}\\n`) && !seen.has(request);
    });
    seen.add(call);
    call.release();
  }
}

/** The next event of messages. One of several servers may find by a look of its own that the thread has changed, and say so too. */
async function nextOfMessages(events: AsyncGenerator<Event>): Promise<Event> {
  const event = await nextOf(events);
  return SERVERS > 1 && event.__typename === 'ThreadUpdated' ? await nextOfMessages(events) : event;
}

function fail(event: Event): never {
  throw new Error(`a delta of an answer that was not sent: ${JSON.stringify(event)}`);
}

async function nextOf(events: AsyncGenerator<Event>): Promise<Event> {
  const { value, done } = await events.next();
  if (done) throw new Error('the subscription ended');
  return value;
}
