import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { models as modelsTable } from '../src/db/tables/model.ts';
import { readAnswer } from './kit/answer.ts';
import { nodesOf, type Page } from './kit/page.ts';
import type { NamedModel, Person, Sent } from './kit/person.ts';
import { type ScriptedProvider, startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

/** What is too long for a model is refused before anything is stored, sent or charged, and before it fills the memory. */

let provider: ScriptedProvider;
let server: TestServer;
let ada: Person;
let small: NamedModel;
let large: NamedModel;
let threadId: string;

beforeEach(async () => {
  provider = await startScriptedProvider(['model-small', 'model-large']);
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  ada = await server.signUp();
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  small = models.find(({ name }) => name === 'model-small') ?? expect.unreachable();
  large = models.find(({ name }) => name === 'model-large') ?? expect.unreachable();
  threadId = (await newThread(ada)).id;
});
afterEach(async () => {
  await server.close();
  await provider[Symbol.asyncDispose]();
});

test('a conversation of more than 4 MiB is refused with its size, and an earlier message can still be replied to', async () => {
  const first = await answered(await send({ text: 'Go on.' }), ['Short.']);
  const second = await answered(await send({ text: 'Go on.' }), Array(9).fill('x'.repeat(512 * 1024)));
  const before = await messageIds();
  const refusal = {
    __typename: 'ModelUnavailableError',
    code: 'CONTEXT_TOO_LONG',
    message:
      'This conversation is 4.5 MiB long, and at most 4 MiB can be sent to a model. Reply to an earlier message, or begin a new thread.',
    suggestions: [],
  };
  expect(await send({ text: 'And now?' })).toMatchObject(refusal);
  expect(await messageIds()).toEqual(before);
  expect(server.app.running.begun()).toEqual([]);
  await answered(await send({ text: 'And now?', parentId: first }), ['Fine.']);
  expect(second).not.toBe(first);
});

test('what a character takes on the wire counts, so an answer of control characters cannot grow sixfold', async () => {
  await answered(await send({ text: 'Go on.' }), Array(8).fill('\u0001'.repeat(100 * 1024)));
  expect(await send({ text: 'And now?' })).toMatchObject({
    code: 'CONTEXT_TOO_LONG',
    message: expect.stringContaining('This conversation is 4.7 MiB long'),
  });
});

test('a conversation that does not fit into a context window is refused, and a model with room is suggested', async () => {
  const { db } = server.app;
  await db.update(modelsTable).set({ contextWindow: 1_000 }).where(eq(modelsTable.id, small.id));
  await db.update(modelsTable).set({ contextWindow: 2_000 }).where(eq(modelsTable.id, large.id));
  expect(await send({ text: 'x'.repeat(6_000), modelIds: [large.id, small.id] })).toMatchObject({
    __typename: 'ModelUnavailableError',
    code: 'CONTEXT_TOO_LONG',
    message:
      'This conversation is about 1,200 tokens long, and model-small takes 1,000. Shorten the message, reply to an earlier one, or choose a model with a larger context.',
    suggestions: [{ id: large.id }],
  });
  expect(await messageIds()).toEqual([]);
  const answerId = await answered(await send({ text: 'x'.repeat(6_000), modelIds: [large.id] }), ['Yes.']);
  const again = { answerId, modelId: small.id };
  expect(await ada.run('regenerate-answer', { input: again })).toMatchObject({ code: 'CONTEXT_TOO_LONG' });
});

test('what a provider might take is sent to it', async () => {
  const { db } = server.app;
  await db.update(modelsTable).set({ contextWindow: 1_000 }).where(eq(modelsTable.id, small.id));
  await answered(await send({ text: 'x'.repeat(5_000) }), ['Yes.']);
});

function send(more: object): Promise<Sent> {
  return ada.run<Sent>('send-message', { input: { threadId, modelIds: [small.id], ...more } });
}

/** Lets the provider answer in these pieces, and gives the id of the answer once it is complete. */
async function answered(sent: Sent, pieces: readonly string[]): Promise<string> {
  const id = sent.answers[0]?.id ?? expect.unreachable();
  const call = await provider.nextCall();
  for (const content of pieces) call.write({ content });
  call.finish();
  const client = ada.socket();
  expect((await readAnswer(client, id)).end).toMatchObject({ answer: { status: 'COMPLETE' } });
  await client.dispose();
  return id;
}

async function messageIds(): Promise<string[]> {
  const thread = await ada.run<{ messages: Page<{ id: string }> }>('thread', { id: threadId });
  return nodesOf(thread.messages).map(({ id }) => id);
}
