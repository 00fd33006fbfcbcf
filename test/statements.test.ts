import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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
async function sendHeld(parentId: string | null = null) {
  const text = `Question ${crypto.randomUUID()}`;
  const held = `${text}\nsimulate: held tokens=3`;
  const input = { threadId, text: held, parentId, modelIds: models.slice(0, 1).map(({ id }) => id) };
  const asked = server.simulator.waitForRequest(({ body }) => body.includes(text));
  const { answers } = await begin<Sent>('send', 'send-message', { input });
  const call = await asked;
  return { answerId: answers[0]?.id ?? '', release: (count?: number) => call.release(count) };
}

/** Statements that run regularly, whoever does what. */
const REGULAR = /watched\(id\)|skip locked|"viewerId"/;

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

test('a message takes six statements from its arrival to the first delta', async () => {
  using recorded = recordStatements();
  const { answerId, release } = await sendHeld();
  release(1);
  const event = await begin<{ __typename: string }>('follow', 'answer-events', { answerId });
  expect(event.__typename).toBe('AnswerDelta');
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "begin",
      "commit",
      "select users sessions",
      "with threads api_keys",
      "with threads messages api_keys api_key_models",
      "with threads workspaces messages models api_key_models api_keys",
    ]
  `);
  release();
});

test('a message to a thread that its sender follows takes no more', async () => {
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
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "begin",
      "commit",
      "select api_key_models api_keys workspaces models",
      "select api_key_models api_keys workspaces models",
      "select api_key_models api_keys workspaces models",
      "select messages",
      "select messages",
      "select messages",
      "select messages",
      "select messages",
      "select messages",
      "select models",
      "select threads workspaces",
      "select threads workspaces",
      "select users",
      "select users",
      "select users",
      "select users",
      "with threads api_keys",
      "with threads messages api_keys api_key_models",
      "with threads workspaces messages models api_key_models api_keys",
    ]
  `);
  release();
});

test('a thread is created with two statements', async () => {
  using recorded = recordStatements();
  await begin('create', 'create-thread', { input: { workspaceId: ada.workspaceId } });
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "select users sessions",
      "with workspaces threads",
    ]
  `);
});

test('the end of an answer takes at most four statements', async () => {
  const { answerId, release } = await sendHeld();
  release(1);
  await begin('follow', 'answer-events', { answerId });
  using recorded = recordStatements();
  release();
  await opened.message('complete', 'follow');
  await eventually('the outcome for the key', () =>
    recorded.texts.find((text) => /update "api_keys"/.test(text)),
  );
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "select api_key_models api_keys workspaces models",
      "select messages",
      "select models",
      "select threads workspaces",
      "select threads workspaces",
      "select users",
      "with api_keys",
      "with threads messages answer_chunks",
    ]
  `);
});

test('following a thread takes the session and ...', async () => {
  using recorded = recordStatements();
  await begin('follow', 'thread-events', { threadId });
  expect(briefly(recorded.texts)).toMatchInlineSnapshot(`
    [
      "select messages",
      "select messages",
      "select threads",
      "select threads workspaces",
      "select users",
      "select users sessions",
    ]
  `);
});
