import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { upload } from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { documentOf } from './kit/person.ts';
import { openFor, type RawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { recordStatements } from './kit/statements.ts';

/**
 * How many statements an operation takes, with the documents that clients copy. Each is a round trip of its own and costs both
 * sides CPU, so this decides how soon the first token comes when many begin at once.
 */

let server: TestServer;
let ada: Person;
let opened: RawSocket;
let models: NamedModel[];
let threadId: string;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
  ({ models } = await ada.addKey());
  opened = await openFor(ada);
  threadId = (
    await ada.run<{ thread: { id: string } }>('create-thread', { input: { workspaceId: ada.workspaceId } })
  ).thread.id;
  return () => opened.socket.terminate();
});

/** Sends an operation over the socket and returns its first result. */
async function begin<Result>(id: string, operation: string, variables: object): Promise<Result> {
  opened.send({ id, type: 'subscribe', payload: { query: documentOf(operation), variables } });
  return resultOf((await opened.message('next', id)).payload);
}

function resultOf<Result>(payload: unknown): Result {
  const { data, errors } = payload as { data?: Record<string, Result>; errors?: unknown };
  return Object.values(data ?? {})[0] ?? expect.unreachable(JSON.stringify(errors));
}

interface Sent {
  answers: { id: string }[];
}

/** Sends a message whose answer waits for `release`, and returns the answer's id and that function. */
async function sendHeld(parentId: string | null = null, more: object = {}) {
  const text = `Question ${crypto.randomUUID()}`;
  const held = `${text}\nsimulate: held tokens=3`;
  const modelIds = models.slice(0, 1).map(({ id }) => id);
  const input = { threadId, text: held, parentId, modelIds, ...more };
  const asked = server.simulator.waitForRequest(({ body }) => body.includes(text));
  const { answers } = await begin<Sent>(`send ${text}`, 'send-message', { input });
  const call = await asked;
  return { answerId: answers[0]?.id ?? '', release: (count?: number) => call.release(count) };
}

/**
 * Statements that run regularly, and the look at the session, which operations of a socket share for a
 * second: one statement more for each of them at the most.
 */
const REGULAR = /watched\(id\)|skip locked|"viewerId"|from "sessions"/;

/** In the order of their names: several loaders may read at once, in any order. */
const briefly = (texts: readonly string[]) =>
  texts
    .filter((text) => !REGULAR.test(text))
    .map(brief)
    .sort();

/** The first word of a statement, and the tables that it names. */
function brief(text: string): string {
  const tables = text.match(
    /"(sessions|threads|messages|api_keys|api_key_models|answer_chunks|models|workspaces|users)"/g,
  );
  return [text.split(/\s/, 1)[0], ...new Set(tables)].join(' ').replaceAll('"', '');
}

/** What a message takes: one statement that reads, and a transaction that locks, checks and writes. */
const SENT = [
  'begin',
  'commit',
  'with threads messages api_keys api_key_models models',
  'with threads models api_keys',
  'with threads workspaces messages models api_key_models api_keys',
];

test('a message takes five statements from its arrival to the first delta, besides its session', async () => {
  using recorded = recordStatements();
  const { answerId, release } = await sendHeld();
  release(1);
  const event = await begin<{ __typename: string }>('follow', 'answer-events', { answerId });
  expect(event.__typename).toBe('AnswerDelta');
  expect(briefly(recorded.texts)).toEqual(SENT);
  release();
});

test('a message takes no further statement for a sender who follows the thread', async () => {
  await begin('follow', 'thread-events', { threadId });
  using recorded = recordStatements();
  const { release } = await sendHeld();
  release(1);
  await eventually('delta', () =>
    opened.messages.find(
      ({ id, payload }) =>
        id === 'follow' && resultOf<{ __typename: string }>(payload).__typename === 'AnswerDelta',
    ),
  );
  expect(briefly(recorded.texts)).toEqual(SENT);
  release();
});

test('a message with files takes four statements more, and one on a branch with files takes one more', async () => {
  const { id } = await upload(ada, 'Some notes.');
  const countOf = async (attachmentIds: string[]) => {
    using recorded = recordStatements();
    const { answerId, release } = await sendHeld(null, { attachmentIds });
    const taken = briefly(recorded.texts).length;
    release();
    await begin(`follow ${answerId}`, 'answer-events', { answerId });
    await opened.message('complete', `follow ${answerId}`);
    return taken;
  };
  // They are looked up, read for the models, locked and attached.
  expect(await countOf([id])).toBe(SENT.length + 4);
  expect(await countOf([])).toBe(SENT.length + 1);
});

test('the statement that reads for a message has one plan for all values', async () => {
  using recorded = recordStatements();
  const { release } = await sendHeld();
  release();
  const text = recorded.texts.find((each) => /recursive branch/.test(each)) ?? expect.unreachable();
  const count = new Set(text.match(/\$\d+/g)).size;
  const explain = sql.raw(`explain execute sent (${Array(count).fill(`'any'`).join(', ')})`);
  await server.app.db.transaction(async (tx) => {
    await tx.execute(sql.raw(`prepare sent as ${text}`));
    await tx.execute(sql`set local plan_cache_mode = force_custom_plan`);
    const ofValues = await tx.execute(explain);
    await tx.execute(sql`set local plan_cache_mode = force_generic_plan`);
    const ofAll = await tx.execute(explain);
    await tx.execute(sql`deallocate sent`);
    // PostgreSQL would plan it for each message if that promised less.
    expect(ofValues[0]).toEqual(ofAll[0]);
  });
});

test('a thread is created with one statement', async () => {
  using recorded = recordStatements();
  await begin('create', 'create-thread', { input: { workspaceId: ada.workspaceId } });
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "with workspaces threads",
    ]
  `);
});

test('the end of an answer takes three statements', async () => {
  const { answerId, release } = await sendHeld();
  release(1);
  const query = `subscription ($answerId: ID!) {
    answerEvents(answerId: $answerId) { ... on AnswerDelta { text } ... on AnswerFinished { answer { id status text } } } }`;
  opened.send({ id: 'follow', type: 'subscribe', payload: { query, variables: { answerId } } });
  await opened.message('next', 'follow');
  using recorded = recordStatements();
  release();
  await opened.message('complete', 'follow');
  await eventually('the outcome for the key', () =>
    recorded.texts.find((text) => /update "api_keys"/.test(text)),
  );
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "select threads workspaces",
      "with api_keys",
      "with threads messages answer_chunks",
    ]
  `);
});

test('a thread is followed after four statements, of which two are for what the document selects; a fifth, for which nobody waits, finds whom to connect to', async () => {
  using recorded = recordStatements();
  await begin('follow', 'thread-events', { threadId });
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "select api_keys messages",
      "select messages",
      "select messages",
      "select threads workspaces",
      "select users",
    ]
  `);
});
