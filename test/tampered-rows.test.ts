import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OpenDatabase } from '../src/db/database.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { apiKeyModels, models } from '../src/db/tables/model.ts';
import { messages } from '../src/db/tables/thread.ts';
import { follow, readAnswer } from './kit/answer.ts';
import { addKey, keysOf, modelsOf } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import {
  chunkOf,
  END,
  type HostileProvider,
  respond,
  startHostileProvider,
  stream,
} from './kit/hostile-provider.ts';
import { newTeam, newWorkspace } from './kit/people.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { answerOf, inWorkspace } from './kit/place.ts';
import { announceEverywhere, startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

/**
 * An attacker who can write to the database, and nothing else, wants a stored secret sent to a server of theirs, or an answer
 * paid with another's key. And what no version of the server writes, it can nevertheless read.
 */

let own: HostileProvider;
let other: HostileProvider;
let database: OpenDatabase;
let server: TestServer;
let ada: Person;
let key: AddedKey;

beforeEach(async () => {
  own = await startHostileProvider();
  other = await startHostileProvider();
  database = await freshDatabase();
  server = await startTestServer(
    {
      LATCHKEY_ALLOWED_PRIVATE_HOSTS: `${own.host},${other.host}`,
      LATCHKEY_PROVIDER_URLS: JSON.stringify({ OPENAI: other.baseUrl }),
    },
    { database },
  );
  ada = await server.signUp();
  key = await addKey(ada, { provider: 'CUSTOM', secret: 'sk-own-0123456789', baseUrl: own.baseUrl });
});
afterEach(async () => {
  await server.close();
  await own[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

async function endOf(answerId: string) {
  const client = ada.socket();
  const { end } = await readAnswer(client, answerId);
  await client.dispose();
  return end;
}

/** Asks the models of a key in a new thread, and gives the result whatever it is. */
async function send(person: Person, { models: asked }: AddedKey) {
  const { id: threadId } = await newThread(person);
  const modelIds = asked.map(({ id }) => id);
  return await person.run('send-message', { input: { threadId, text: 'Go on.', modelIds } });
}

/** Asks a provider that refuses, and gives the answer's id once it waits for so long to ask again. */
async function askUntilItWaits(seconds: number): Promise<string> {
  own.answer = (response) => respond(response, 429, '{}', { 'retry-after': String(seconds) });
  const { answers } = await ada.ask('Go on.', key.models);
  const answerId = answers[0]?.id ?? '';
  const client = ada.socket();
  const events = follow(client, 'answer-events', { answerId });
  expect((await events.next()).value).toMatchObject({ __typename: 'AnswerRetrying' });
  await events.return(undefined);
  await client.dispose();
  return answerId;
}

describe('a secret goes nowhere but where it was sealed for', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['provider', () => database.db.update(models).set({ provider: 'OPENAI' })],
    ['base URL', () => database.db.update(models).set({ baseUrl: other.baseUrl })],
    [
      'owner',
      async () => {
        const eve = await server.signUp('Eve');
        await database.db.update(models).set({ workspaceId: eve.workspaceId });
      },
    ],
  ])(
    'a secret goes nowhere but where it was sealed for when the %s of its model is changed',
    async (_what, tamper) => {
      await tamper();
      expect(await send(ada, key)).toMatchObject({ code: expect.stringMatching(/^(NO_KEY|NOT_FOUND)$/) });
      expect([own.asked, other.asked]).toEqual([0, 0]);
    },
  );

  test('a secret goes nowhere but where it was sealed for when a model of another owner is joined to it', async () => {
    const eve = await server.signUp('Eve');
    const evesKey = await addKey(eve, { provider: 'CUSTOM', secret: 'sk-eve', baseUrl: other.baseUrl });
    const [model] = evesKey.models;
    await database.db
      .update(apiKeyModels)
      .set({ apiKeyId: key.apiKey.id })
      .where(eq(apiKeyModels.modelId, model?.id ?? ''));
    expect(await modelsOf(eve)).toMatchObject([{ isAvailable: false, unavailableReason: 'NO_KEY' }]);
    expect(await send(eve, evesKey)).toMatchObject({ code: 'NO_KEY' });
    expect([own.asked, other.asked]).toEqual([0, 0]);
  });

  test('a secret goes nowhere but where it was sealed for when it is given to a team with all of its models', async () => {
    const eve = await server.signUp('Eve');
    const teamId = await newTeam(eve);
    const workspaceId = await newWorkspace(eve, teamId);
    await database.db.update(apiKeys).set({ workspaceId: null, teamId });
    await database.db.update(models).set({ workspaceId: null, teamId });
    const inTeam = inWorkspace(eve, workspaceId);
    expect(await modelsOf(inTeam)).toMatchObject([{ isAvailable: true, paidBy: 'TEAM' }]);
    for (const model of key.models)
      expect(await answerOf(inTeam, model)).toMatchObject({ error: { code: 'KEY_UNAVAILABLE' } });
    expect(await eve.run('check-api-key', { input: { id: key.apiKey.id } })).toMatchObject({
      code: 'KEY_UNAVAILABLE',
    });
    expect([own.asked, other.asked]).toEqual([0, 0]);
  });

  test('a secret goes nowhere but where it was sealed for when its row is changed while an answer waits for a second attempt', async () => {
    const answerId = await askUntilItWaits(1);
    await database.db.update(apiKeys).set({ baseUrl: other.baseUrl });
    expect((await endOf(answerId))?.error).toMatchObject({ code: 'KEY_UNAVAILABLE' });
    expect([own.asked, other.asked]).toEqual([1, 0]);
  });

  test('a secret goes nowhere but where it was sealed for and an answer stays with its server when the key moves to another while it waits', async () => {
    const answerId = await askUntilItWaits(2);
    const input = { id: key.apiKey.id, secret: 'sk-other-0123456789', baseUrl: other.baseUrl };
    expect(await ada.run('replace-api-key-secret', { input })).toMatchObject({
      apiKey: { status: 'ACTIVE' },
    });
    expect((await endOf(answerId))?.error).toMatchObject({ code: 'KEY_UNAVAILABLE' });
    expect([own.asked, other.asked]).toEqual([1, 0]);
  });
});

test('a reason that no version writes is read as a failure of the provider', async () => {
  await database.db.update(apiKeys).set({ health: 'INVALID', healthReason: 'constructor' });
  expect(await keysOf(ada)).toMatchObject([
    { status: 'INVALID', statusMessage: expect.stringContaining('failed to answer') },
  ]);

  await database.db.update(apiKeys).set({ health: 'ACTIVE', healthReason: null });
  own.answer = (response) => respond(response, 400, '{}');
  const { answers } = await ada.ask('Go on.', key.models);
  const answerId = answers[0]?.id ?? '';
  expect((await endOf(answerId))?.error).toMatchObject({ code: 'BAD_REQUEST' });
  await database.db.update(messages).set({ errorCode: 'toString' }).where(eq(messages.id, answerId));
  announceEverywhere(server, answerId, []); // reads are shared until something is announced
  expect((await endOf(answerId))?.error).toMatchObject({ code: 'PROVIDER_ERROR', fixableBy: 'PROVIDER' });
});

test('an answer whose facts the database refuses ends with its text and without them', async () => {
  await database.db.execute(sql`
    create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'no' using errcode = '22P05'; end $$`);
  await database.db.execute(sql`
    create trigger refuse before update on messages for each row
    when (new.citations <> '[]' and new.status <> 'WRITING') execute function refuse()`);
  own.answer = async (response) => {
    await stream(response, [
      chunkOf({ delta: { content: 'Words.' } }, { citations: ['https://example.com/'] }),
    ]);
    response.end(END);
  };
  const { answers } = await ada.ask('Go on.', key.models);
  expect(await endOf(answers[0]?.id ?? '')).toMatchObject({
    answer: { status: 'FAILED', text: 'Words.' },
    error: { code: 'PROVIDER_ERROR' },
  });
});

test('a key past a date of its own is not said to have expired at its provider', async () => {
  const input = { id: key.apiKey.id, expiresAt: '2020-01-01T00:00:00.000Z' };
  await ada.run('update-api-key', { input });
  expect(await send(ada, key)).toMatchObject({
    code: 'KEY_EXPIRED',
    message: expect.stringMatching(/key has expired\. .*later expiry date/),
  });
});
