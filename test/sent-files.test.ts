import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { newId } from '../src/db/id.ts';
import { attachments, removedAttachments } from '../src/db/tables/attachment.ts';
import { messages } from '../src/db/tables/thread.ts';
import { readFiles } from '../src/files/message-files.ts';
import { readUploaded } from '../src/files/read-uploaded.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { bearer, postAccount } from './kit/account-request.ts';
import { type Follower, follow, TRANSPORTS } from './kit/answer.ts';
import { announce, put, type SeenAttachment, seen, storedNames, upload, whenRead } from './kit/attachment.ts';
import { beforeNextTransaction, failStatements, freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { change, letIn, newWorkspace } from './kit/people.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { inWorkspace, newThread } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const signal = new AbortController().signal;

let server: TestServer;
let folder: string;
let ada: Person;
let models: NamedModel[];

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'latchkey-sent-')), 'files');
  // The sweep looks at all files, and those of other tests are none of its business.
  server = await startTestServer({ LATCHKEY_FILES_DIR: folder }, { database: await freshDatabase() });
});
afterAll(() => server?.close());
beforeEach(async () => {
  ada = await server.signUp();
  ({ models } = await ada.addKey());
});

interface SentResult {
  __typename: string;
  code: string;
  message: string;
  fields: { path: string; message: string }[];
  userMessage: { id: string; text: string; attachments: SeenAttachment[] };
  thread: { id: string };
}

/** Sends a message with files, into a new thread unless one is named. */
async function send(
  person: Person,
  attachmentIds: readonly (string | undefined)[],
  more: { text?: string | null; threadId?: string; idempotencyKey?: string } = {},
): Promise<SentResult> {
  const { text = 'What is in it?', threadId = await threadOf(person), idempotencyKey } = more;
  const modelIds = models.slice(0, 1).map(({ id }) => id);
  const input = { threadId, text, attachmentIds, modelIds, idempotencyKey };
  return await person.run<SentResult>('send-message', { input });
}

async function threadOf(person: Person, visibility = 'PRIVATE'): Promise<string> {
  const input = { workspaceId: person.workspaceId, visibility };
  return (await person.run<{ thread: { id: string } }>('create-thread', { input })).thread.id;
}

/** The files of a thread's messages of people as a person reads them. */
async function filesIn(person: Person, threadId: string): Promise<SeenAttachment[]> {
  const thread = await person.run<{ messages: Page<{ attachments?: SeenAttachment[] }> }>('thread', {
    id: threadId,
  });
  return nodesOf(thread.messages).flatMap((message) => message.attachments ?? []);
}

const storedOf = (id: string) => storedNames(folder).filter((name) => name.startsWith(id));

const isGone = async (id: string) => {
  const rows = await server.app.db.select().from(attachments).where(eq(attachments.id, id));
  return rows.length === 0;
};

describe('a message', () => {
  test('a message shows its files in the order of its sender, in the payload, the thread and by its id', async () => {
    const [one, two] = [await upload(ada, 'one'), await upload(ada, 'two', { fileName: 'two.txt' })];
    const { userMessage, thread } = await send(ada, [two.id, one.id]);
    const names = ['two.txt', 'notes.txt'];
    expect(userMessage.attachments.map(({ fileName }) => fileName)).toEqual(names);
    expect(userMessage.attachments).toMatchObject([
      { id: two.id, kind: 'TEXT', mediaType: 'text/plain', sizeBytes: 3, url: two.url },
      { id: one.id },
    ]);
    expect(await filesIn(ada, thread.id)).toEqual(userMessage.attachments);
    const again = await send(ada, [one.id], { threadId: thread.id });
    expect(again.userMessage.attachments.map(({ id }) => id)).toEqual([one.id]);
  });

  test('a message may be of files alone, and not of nothing', async () => {
    const { id } = await upload(ada, 'text');
    for (const text of ['', null]) expect((await send(ada, [id], { text })).userMessage.text).toBe('');
    for (const text of ['', ' \n', null])
      expect(await send(ada, [], { text })).toMatchObject({ code: 'BAD_INPUT', fields: [{ path: 'text' }] });
  });

  test('a message waits for no file: one that is not READY is named, with what to do', async () => {
    const ready = await upload(ada, 'text');
    const { attachment: waiting } = await announce(ada, 10, { fileName: 'waiting.txt' });
    const refused = await upload(ada, randomBytes(100), { fileName: 'strange.bin' });
    expect(await send(ada, [ready.id, waiting.id])).toMatchObject({
      code: 'BAD_INPUT',
      fields: [
        {
          path: 'attachmentIds.1',
          message: '"waiting.txt" has not arrived yet. Wait until it is READY, or leave it out.',
        },
      ],
    });
    expect(await send(ada, [refused.id])).toMatchObject({
      code: 'BAD_INPUT',
      fields: [
        { path: 'attachmentIds.0', message: '"strange.bin" cannot be sent: it was refused. Leave it out.' },
      ],
    });
    expect(await seen(ada, ready.id)).toMatchObject({ status: 'READY' });
  });

  test('a message takes at most twenty files, each once, and only of its workspace', async () => {
    const { id } = await upload(ada, 'text');
    expect(await send(ada, [id, id])).toMatchObject({
      code: 'BAD_INPUT',
      fields: [{ path: 'attachmentIds' }],
    });
    expect(
      await send(
        ada,
        Array.from({ length: 21 }, () => id),
      ),
    ).toMatchObject({
      code: 'BAD_INPUT',
      message: 'A message has at most 20 files. Send the rest with another one.',
    });
    const elsewhere = await upload(ada, 'text', { workspaceId: await newWorkspace(ada) });
    expect(await send(ada, [elsewhere.id])).toMatchObject({ code: 'NOT_FOUND' });
    const [row] = await server.app.db.select().from(attachments).where(eq(attachments.id, id));
    if (row === undefined) return expect.unreachable();
    const copies = Array.from({ length: 20 }, () => ({ ...row, id: newId('att') }));
    await server.app.db.insert(attachments).values(copies);
    const sent = await send(
      ada,
      copies.map((copy) => copy.id),
    );
    expect(sent.userMessage.attachments).toHaveLength(20);
  });

  test('a message that is sent again with its idempotency key is the first one, and with other files a conflict', async () => {
    const [one, two] = [await upload(ada, 'one'), await upload(ada, 'two')];
    const threadId = await threadOf(ada);
    const first = await send(ada, [one.id], { threadId, idempotencyKey: 'once' });
    const again = await send(ada, [one.id], { threadId, idempotencyKey: 'once' });
    expect(again.userMessage).toEqual(first.userMessage);
    for (const other of [[], [two.id], [one.id, two.id]])
      expect(await send(ada, other, { threadId, idempotencyKey: 'once' })).toMatchObject({
        code: 'CONFLICT',
      });
  });

  test('a message whose file is removed while it is sent is not sent, and one that is sent keeps its file', async () => {
    const [one, two] = [await upload(ada, 'one'), await upload(ada, 'two')];
    const threadId = await threadOf(ada);
    const remove = (id: string) => ada.run('remove-attachment', { input: { id } });
    beforeNextTransaction(server.app, () => remove(one.id));
    expect(await send(ada, [one.id, two.id], { threadId })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await server.app.db.$count(messages, eq(messages.threadId, threadId))).toBe(0);
    await send(ada, [two.id], { threadId });
    expect(await remove(two.id)).toMatchObject({
      code: 'CONFLICT',
      message: 'A message refers to this file. It is deleted with the last message that does.',
    });
    expect(await remove(one.id)).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('who sees a file', () => {
  test('a file of a message is seen by everybody who sees the thread, and fetched with a link of their own', async () => {
    const ben = await server.signUp('Ben');
    const workspaceId = await newWorkspace(ada);
    await letIn(ada, workspaceId, ben, 'VIEWER');
    const there = inWorkspace(ada, workspaceId);
    ({ models } = await there.addKey());
    const [open, closed] = [
      await upload(there, 'open', { workspaceId }),
      await upload(there, 'own', { workspaceId }),
    ];
    const threadId = await newThread(ada, workspaceId);
    await send(there, [open.id], { threadId });
    await send(there, [closed.id]);
    const [found] = await filesIn(ben, threadId);
    expect(found).toMatchObject({ id: open.id, fileName: 'notes.txt' });
    expect(found?.url).not.toBe(open.url);
    expect(await (await fetch(found?.url ?? '')).text()).toBe('open');
    expect(await seen(ben, closed.id)).toBeNull();
    // What one may see, one may send as well.
    await change(ada, 'update-member', { workspaceId, userId: ben.id, role: 'MEMBER' });
    const own = await send(inWorkspace(ben, workspaceId), [open.id]);
    expect(own.userMessage.attachments).toMatchObject([{ id: open.id }]);
    await ada.run('delete-thread', { input: { id: threadId } });
    expect(await (await fetch(found?.url ?? '')).text()).toBe('open');
    await change(ada, 'remove-member', { workspaceId, userId: ben.id });
    expect((await fetch(found?.url ?? '')).status).toBe(404);
  });
});

describe('AttachmentUpdated', () => {
  interface Updated {
    __typename: string;
    attachment: SeenAttachment;
  }

  /** The statuses of a file that a follower is sent, up to the last one. */
  async function statusesOf(events: AsyncGenerator<Updated>, id: string, last: string): Promise<string[]> {
    const statuses: string[] = [];
    while (statuses.at(-1) !== last) {
      const { value } = await events.next();
      if (value?.__typename === 'AttachmentUpdated' && value.attachment.id === id)
        statuses.push(value.attachment.status);
    }
    return statuses;
  }

  test.each(Object.entries(TRANSPORTS))(
    'AttachmentUpdated over %s follows a file of the viewer to its end, and is sent to nobody else',
    async (_name, connect) => {
      const ben = await server.signUp('Ben');
      const workspaceId = await newWorkspace(ada);
      await letIn(ada, workspaceId, ben, 'ADMIN');
      const clients: Follower[] = [connect(ada), connect(ben)];
      const [own, other] = clients.map((client) =>
        follow<Updated>(client, 'workspace-events', { workspaceId }),
      );
      await Promise.all([own?.next(), other?.next()]);
      const heard: string[] = [];
      const listening = (async () => {
        for await (const event of other ?? []) {
          heard.push(event.__typename);
          if (event.__typename === 'WorkspaceUpdated') return;
        }
      })();
      for (const [content, end] of [
        ['text', 'READY'],
        [randomBytes(100), 'REFUSED'],
      ] as const) {
        const { attachment, upload: request } = await announce(ada, content.length, { workspaceId });
        await put(request, Buffer.from(content));
        const statuses = await statusesOf(own ?? expect.unreachable(), attachment.id, end);
        // Reading a short file may be over before its event is read.
        expect([[end], ['READING', end]]).toContainEqual(statuses);
      }
      await change(ada, 'update-workspace', { id: workspaceId, name: 'Laboratory' });
      await listening;
      expect(heard).toEqual(['WorkspaceUpdated']);
      for (const client of clients) await client.dispose();
    },
  );

  test('AttachmentUpdated that was not announced is found by the next comparison', async () => {
    const client = ada.socket();
    const events = follow<Updated>(client, 'workspace-events', { workspaceId: ada.workspaceId });
    await events.next();
    const { attachment, upload: request } = await announce(ada, 4);
    const silent = server.apps.map(({ changes }) =>
      vi.spyOn(changes, 'announce').mockImplementation(() => {}),
    );
    await put(request, Buffer.from('text'));
    await whenRead(ada, attachment.id);
    for (const spy of silent) spy.mockRestore();
    server.app.changes.announce(ada.workspaceId, [ada.workspaceId]);
    expect(await statusesOf(events, attachment.id, 'READY')).toEqual(['READY']);
    await client.dispose();
  });
});

describe('deleting', () => {
  test('deleting a thread deletes the files that no other message refers to, and their bytes with the next sweep', async () => {
    const [alone, shared] = [await upload(ada, 'one'), await upload(ada, 'two')];
    const { thread } = await send(ada, [alone.id, shared.id]);
    const other = await send(ada, [shared.id]);
    await ada.run('delete-thread', { input: { id: thread.id } });
    expect([await seen(ada, alone.id), (await seen(ada, shared.id))?.status]).toEqual([null, 'READY']);
    expect((await fetch(alone.url ?? '')).status).toBe(404);
    await sweepFiles(server.app);
    expect(storedOf(alone.id)).toEqual([]);
    expect(storedOf(shared.id)).toHaveLength(2);
    await server.app.db.delete(messages).where(eq(messages.id, other.userMessage.id));
    expect(await isGone(shared.id)).toBe(true);
    await sweepFiles(server.app);
    expect(storedOf(shared.id)).toEqual([]);
  });

  test('deleting a workspace or an account deletes its files, those that were not sent too', async () => {
    const workspaceId = await newWorkspace(ada);
    const there = inWorkspace(ada, workspaceId);
    const inRoom = await upload(there, 'one', { workspaceId });
    const [sent, own] = [await upload(ada, 'two'), await upload(ada, 'three')];
    await send(ada, [sent.id]);
    await change(ada, 'delete-workspace', { id: workspaceId });
    await postAccount(server, 'delete-user', { password: 'correct horse battery' }, bearer(ada.token));
    for (const { id } of [inRoom, sent, own]) expect(await isGone(id)).toBe(true);
    await sweepFiles(server.app);
    for (const { id } of [inRoom, sent, own]) expect(storedOf(id)).toEqual([]);
  });

  test('a file that a person sent stays when their account is deleted, and one that they did not is swept', async () => {
    const ben = await server.signUp('Ben');
    const workspaceId = await newWorkspace(ada);
    await letIn(ada, workspaceId, ben, 'MEMBER');
    ({ models } = await inWorkspace(ada, workspaceId).addKey());
    const there = inWorkspace(ben, workspaceId);
    const [sent, unsent] = [
      await upload(ben, 'one', { workspaceId }),
      await upload(ben, 'two', { workspaceId }),
    ];
    const threadId = await newThread(ben, workspaceId);
    await send(there, [sent.id], { threadId });
    await postAccount(server, 'delete-user', { password: 'correct horse battery' }, bearer(ben.token));
    const [found] = await filesIn(ada, threadId);
    expect(await (await fetch(found?.url ?? '')).text()).toBe('one');
    await sweepFiles(server.app);
    expect(await isGone(unsent.id)).toBe(true);
    expect(await seen(ada, sent.id)).toMatchObject({ createdBy: null });
  });
});

describe('the order of locks', () => {
  /** Holds the first of two files while something deletes both, and checks that the second is free until then. */
  async function holdFirst<Removed>(
    [first, second]: readonly SeenAttachment[],
    remove: () => Promise<Removed>,
  ) {
    const { db } = server.app;
    return await db.transaction(async (tx) => {
      const lock = async (id = '-') =>
        await tx
          .select({ id: attachments.id })
          .from(attachments)
          .where(eq(attachments.id, id))
          .for('no key update', { skipLocked: true });
      expect(await lock(first?.id)).toHaveLength(1);
      const removing = remove();
      await eventually('the deletion waits for the first file', async () => {
        const isWaiting = sql<boolean>`exists (select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query ilike '%delete from%')`;
        const [row] = await db.select({ isWaiting }).from(sql`(select 1) as once`);
        return row?.isWaiting;
      });
      expect(await lock(second?.id)).toHaveLength(1);
      return { removing };
    });
  }

  const twoFiles = async () => {
    const files = [await upload(ada, 'one'), await upload(ada, 'two')];
    return files.sort((left, right) => (left.id < right.id ? -1 : 1));
  };

  describe.runIf(inject('postgresUrl') !== undefined).each(['one way', 'the other way'])('%s', (way) => {
    const inThisOrder = (files: readonly SeenAttachment[]) =>
      way === 'one way' ? files : files.toReversed();

    test('a thread is deleted while another message with its files is sent, in whatever order it has them', async () => {
      const files = await twoFiles();
      const threadId = await threadOf(ada);
      for (const { id } of inThisOrder(files)) await send(ada, [id], { threadId });
      const { removing } = await holdFirst(files, () => change(ada, 'delete-thread', { id: threadId }));
      expect(await removing).toMatchObject({ removedId: threadId });
      for (const { id } of files) expect(await isGone(id)).toBe(true);
    });

    test('what was not sent is swept while it is sent after all, in whatever order it came', async () => {
      const files = await twoFiles();
      for (const { id } of inThisOrder(files)) {
        const createdAt = sql`now() - interval '25 hours'`;
        await server.app.db.update(attachments).set({ createdAt }).where(eq(attachments.id, id));
      }
      const { removing } = await holdFirst(files, () => sweepFiles(server.app));
      await removing;
      for (const { id } of files) expect(await isGone(id)).toBe(true);
    });
  });
});

describe('the sweep', () => {
  async function age(id: string, time: string): Promise<void> {
    const createdAt = sql`now() - ${time}::interval`;
    await server.app.db.update(attachments).set({ createdAt }).where(eq(attachments.id, id));
  }

  test('the sweep deletes what was uploaded and not sent after a day, and what never came sooner', async () => {
    const [old, young, sent] = [
      await upload(ada, 'old'),
      await upload(ada, 'young'),
      await upload(ada, 'sent'),
    ];
    await send(ada, [sent.id]);
    const [expected, missed] = [(await announce(ada, 4)).attachment, (await announce(ada, 4)).attachment];
    await age(old.id, '24 hours 1 second');
    await age(young.id, '23 hours 59 minutes');
    await age(sent.id, '30 days');
    await age(expected.id, '26 minutes');
    await age(missed.id, '27 minutes');
    await sweepFiles(server.app);
    const gone = await Promise.all([old, young, sent, expected, missed].map(({ id }) => isGone(id)));
    expect(gone).toEqual([true, false, false, false, true]);
    expect(storedOf(old.id)).toEqual([]);
    expect(storedOf(young.id)).not.toEqual([]);
  });

  test('the sweep removes what a late upload has written after its attachment was deleted', async () => {
    const { id } = await upload(ada, 'text');
    await ada.run('remove-attachment', { input: { id } });
    await sweepFiles(server.app);
    async function* late() {
      yield Buffer.from('written by a server that had stalled');
    }
    await server.app.fileStore.put(`${id}.1`, late(), signal);
    await sweepFiles(server.app);
    expect(storedOf(id)).toEqual([`${id}.1`]);
    const isRemoved = eq(removedAttachments.id, id);
    const yesterday = sql`now() - interval '24 hours 1 second'`;
    await server.app.db.update(removedAttachments).set({ removedAt: yesterday }).where(isRemoved);
    await sweepFiles(server.app);
    expect(storedOf(id)).toEqual([]);
    expect(await server.app.db.$count(removedAttachments, isRemoved)).toBe(0);
  });

  test('the sweep removes what a server has kept that died before it wrote the row, unless the upload was repeated', async () => {
    const announced = [await announce(ada, 4), await announce(ada, 4)] as const;
    const died = server.apps.map(({ fileStore }) =>
      vi.spyOn(fileStore, 'remove').mockImplementation(async () => {}),
    );
    for (const { upload: request } of announced) {
      using _failing = failStatements(
        server.app.db,
        /^update "attachments" set "status"/,
        new Error('died'),
        1,
      );
      expect((await put(request, Buffer.from('text'))).status).toBe(500);
    }
    for (const spy of died) spy.mockRestore();
    const [{ attachment: left }, { attachment: repeated, upload: request }] = announced;
    expect([storedOf(left.id), storedOf(repeated.id)]).toEqual([[`${left.id}.1`], [`${repeated.id}.1`]]);
    expect(await seen(ada, left.id)).toMatchObject({ status: 'WAITING' });

    expect((await put(request, Buffer.from('text'))).status).toBe(204);
    await whenRead(ada, repeated.id);
    await eventually('what the first left is gone', () => storedOf(repeated.id).length === 2);
    expect(storedOf(repeated.id).sort()).toEqual([`${repeated.id}.2`, `${repeated.id}.text`]);
    await age(left.id, '27 minutes');
    await sweepFiles(server.app);
    expect([await isGone(left.id), storedOf(left.id)]).toEqual([true, []]);
  });

  test('the sweep goes on where the bytes of a file cannot be removed, and tries that again', async () => {
    const [stuck, other] = [await upload(ada, 'stuck'), await upload(ada, 'other')].sort((left, right) =>
      left.id < right.id ? -1 : 1,
    );
    const read = await upload(ada, 'read');
    for (const each of [stuck, other]) await ada.run('remove-attachment', { input: { id: each?.id } });
    await server.app.db
      .update(attachments)
      .set({ status: 'READING', readingSince: null })
      .where(eq(attachments.id, read.id));
    const { fileStore } = server.app;
    const remove = fileStore.remove.bind(fileStore);
    const tries: string[] = [];
    vi.spyOn(fileStore, 'remove').mockImplementation(async (names, each) => {
      if (names.some((name) => name.startsWith(stuck?.id ?? '-'))) {
        tries.push(stuck?.id ?? '-');
        throw Object.assign(new Error('not allowed'), { code: 'EACCES' });
      }
      await remove(names, each);
    });
    await sweepFiles(server.app);
    expect(tries).toHaveLength(1);
    expect([storedOf(stuck?.id ?? '-'), storedOf(other?.id ?? '-')]).toMatchObject([{ length: 2 }, []]);
    expect(await whenRead(ada, read.id)).toMatchObject({ status: 'READY' });
    vi.restoreAllMocks();
    await sweepFiles(server.app);
    expect(storedOf(stuck?.id ?? '-')).toEqual([]);
  });

  test('the sweep takes up a file whose reading a crash has ended, and gives up in the end', async () => {
    const { id } = await upload(ada, 'text');
    const forsake = async (readings: number, time: string) =>
      await server.app.db
        .update(attachments)
        .set({ status: 'READING', readings, readingSince: sql`now() - ${time}::interval` })
        .where(eq(attachments.id, id));
    await forsake(1, '9 minutes');
    await sweepFiles(server.app);
    expect(await seen(ada, id)).toMatchObject({ status: 'READING' });
    await forsake(1, '11 minutes');
    await sweepFiles(server.app);
    expect(await whenRead(ada, id)).toMatchObject({ status: 'READY' });
    await forsake(3, '11 minutes');
    await sweepFiles(server.app);
    expect(await whenRead(ada, id)).toMatchObject({ status: 'REFUSED', refusalCode: 'TOO_COMPLEX' });
    await eventually('its bytes are gone', () => storedOf(id).length === 0);
  });
});

describe('reading a file', () => {
  test('reading a file that is deleted meanwhile leaves nothing of it', async () => {
    const { id } = await upload(ada, 'text');
    await server.app.db
      .update(attachments)
      .set({ status: 'READING', readings: 1 })
      .where(eq(attachments.id, id));
    const { fileStore } = server.app;
    const keep = fileStore.put.bind(fileStore);
    vi.spyOn(fileStore, 'put').mockImplementation(async (...args) => {
      await ada.run('remove-attachment', { input: { id } });
      await sweepFiles(server.app);
      await keep(...args);
    });
    await readUploaded(server.app, { attachmentId: id, number: 1 });
    vi.restoreAllMocks();
    expect([await isGone(id), storedOf(id)]).toEqual([true, []]);
  });

  test('reading a file without its root key is left for later, and refuses nothing', async () => {
    const { id } = await upload(ada, 'text');
    const isFile = eq(attachments.id, id);
    await server.app.db.update(attachments).set({ status: 'READING', readings: 1 }).where(isFile);
    const [row] = await server.app.db.select({ rootId: attachments.rootId }).from(attachments).where(isFile);
    await server.app.db.update(attachments).set({ rootId: 'another' }).where(isFile);
    await readUploaded(server.app, { attachmentId: id, number: 1 });
    expect(await seen(ada, id)).toMatchObject({ status: 'READING' });
    await server.app.db
      .update(attachments)
      .set(row ?? {})
      .where(isFile);
    await sweepFiles(server.app);
    expect(await whenRead(ada, id)).toMatchObject({ status: 'READY' });
  });
});

test('what a message refers to is there for its models: the text, and the bytes as a stream', async () => {
  const text = 'What models read. '.repeat(10_000);
  const [one, two] = [await upload(ada, text), await upload(ada, 'two', { fileName: 'two.txt' })];
  const { userMessage } = await send(ada, [two.id, one.id]);
  const files = await readFiles(server.app, [two.id, one.id, 'att_of_nothing']);
  const [second, first] = userMessage.attachments.map(({ id }) => files.get(id));
  expect(files.size).toBe(2);
  expect(second?.attachment).toMatchObject({ fileName: 'two.txt', textLength: 3, pictureBytes: null });
  expect(await second?.readText(signal)).toBe('two');
  expect(await second?.readPicture(signal)).toBeNull();
  expect(await first?.readText(signal)).toBe(text);
  const bytes = await first?.open(signal);
  expect(bytes?.length).toBe(text.length);
  const whole = await Array.fromAsync(bytes?.read() ?? []);
  expect(whole.length).toBeGreaterThan(1);
  expect(Buffer.concat(whole).toString()).toBe(text);
});
