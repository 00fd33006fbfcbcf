import { count, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { messages } from '../src/db/tables/thread.ts';
import { askHeld, type Event, type Follower, follow, readAnswer } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import type { NamedModel, Sent } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();
let models: NamedModel[];
let nano: NamedModel;
let client: Follower;

beforeAll(async () => {
  const lists = await Promise.all(
    ['OPENAI', 'ANTHROPIC', 'GEMINI'].map((provider) => site.ada.addKey(provider)),
  );
  models = lists.flatMap((added) => added.models);
  nano = named('gpt-4.1-nano');
  client = site.ada.socket();
});

afterAll(() => client?.dispose());

function named(name: string): NamedModel {
  const found = models.find((model) => model.name === name);
  if (found === undefined) throw new Error(`no model ${name} in ${models.map((model) => model.name)}`);
  return found;
}

function send(threadId: string, more: object = {}, person = site.ada): Promise<Sent & Refusal> {
  const input = { threadId, text: 'Hello.', modelIds: [nano.id], ...more };
  return person.run<Sent & Refusal>('send-message', { input });
}

interface Refusal {
  code: string;
  message: string;
  suggestions: { id: string; title: string }[];
}

async function messageCount(threadId: string): Promise<number> {
  const [row] = await site.server.app.db
    .select({ count: count() })
    .from(messages)
    .where(eq(messages.threadId, threadId));
  return row?.count ?? 0;
}

async function finish(sent: Sent): Promise<Event['answer'][]> {
  const reads = await Promise.all(sent.answers.map(({ id }) => readAnswer(client, id)));
  return reads.map(({ end }) => end?.answer as Event['answer']);
}

/** The conversation that the simulator received, which it answers with when asked to echo. */
async function echoed(sent: Sent): Promise<string[]> {
  const [answer] = await finish(sent);
  const { turns } = JSON.parse(answer?.text ?? '') as { turns: { role: string; text: string }[] };
  return turns.map(({ role, text }) => `${role}: ${text.split('\n')[0]}`);
}

describe('sending a message', () => {
  test('eight models answer at once, in the order they were named', async () => {
    const chosen = models.slice(0, 8);
    const { id: threadId } = await newThread(site.ada);
    const sent = await send(threadId, { modelIds: chosen.map(({ id }) => id) });
    expect(sent.answers.map(({ modelName }) => modelName)).toEqual(chosen.map(({ name }) => name));
    expect(sent.answers.map(({ status }) => status)).toEqual(chosen.map(() => 'WRITING'));
    const answers = await finish(sent);
    for (const [index, answer] of answers.entries()) {
      expect(answer.status).toBe('COMPLETE');
      expect(answer.text).toContain(chosen[index]?.name);
    }
  });

  test('what cannot be sent is refused with the field that is wrong, and nothing is stored', async () => {
    const { id: threadId } = await newThread(site.ada);
    const nine = models.slice(0, 9).map(({ id }) => id);
    const refusals = await Promise.all(
      [
        { modelIds: [] },
        { modelIds: nine },
        { modelIds: [nano.id, nano.id] },
        { text: '' },
        { text: ' \0\n' },
        { text: 'ä'.repeat(128 * 1024 + 1) },
        { idempotencyKey: '' },
        { idempotencyKey: 'k'.repeat(201) },
        { idempotencyKey: 'k\0' },
      ].map((input) => send(threadId, input)),
    );
    expect(refusals.map(({ code, message }) => `${code} ${message}`)).toMatchInlineSnapshot(`
      [
        "BAD_INPUT Choose between 1 and 8 models.",
        "BAD_INPUT Choose between 1 and 8 models.",
        "BAD_INPUT A model is named twice. Name each model once, or ask for answers with other options for each.",
        "BAD_INPUT Write something: the text is empty.",
        "BAD_INPUT Write something: the text is empty.",
        "BAD_INPUT The text is longer than 256 KiB. Shorten it, or send it in parts.",
        "BAD_INPUT An idempotency key has between 1 and 200 characters.",
        "BAD_INPUT An idempotency key has between 1 and 200 characters.",
        "BAD_INPUT An idempotency key is text. Use a UUID, for example.",
      ]
    `);
    expect(await messageCount(threadId)).toBe(0);
  });

  test('a message may have 256 KiB', async () => {
    const sent = await send((await newThread(site.ada)).id, { text: 'ä'.repeat(128 * 1024) });
    expect(sent).toMatchObject({ __typename: 'SendMessagePayload' });
    await finish(sent);
  });

  test('a model of another person is answered like one that does not exist', async () => {
    const eve = await site.server.signUp('Eve');
    const foreign = (await eve.addKey('OPENAI')).models[0]?.id;
    const { id: threadId } = await newThread(site.ada);
    const [unknown, notOurs] = await Promise.all(
      ['mdl_00000000000000000000000000', foreign].map((id) => send(threadId, { modelIds: [nano.id, id] })),
    );
    expect(unknown).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
    expect(JSON.stringify(notOurs)).toBe(JSON.stringify(unknown));
    expect(await messageCount(threadId)).toBe(0);
  });

  test('a model without a key is refused, and only models that can be asked are suggested', async () => {
    const bob = await site.server.signUp('Bob');
    const gone = await bob.addKey('OPENAI');
    const switchedOff = await bob.addKey('MISTRAL');
    const left = await bob.addKey('XAI');
    const wanted = gone.models.find(({ name }) => name === 'gpt-5.1');
    await bob.run('remove-api-key', { input: { id: gone.apiKey.id } });
    await bob.run('update-api-key', { input: { id: switchedOff.apiKey.id, isEnabled: false } });
    const { id: threadId } = await newThread(bob);
    const refusal = await send(threadId, { modelIds: [wanted?.id] }, bob);
    expect(refusal).toMatchObject({ __typename: 'ModelUnavailableError', code: 'NO_KEY' });
    const offered = new Set(left.models.map(({ id }) => id));
    expect(refusal.suggestions.length).toBeGreaterThan(0);
    expect(refusal.suggestions.every(({ id }) => offered.has(id))).toBe(true);
  });

  test('a parent in another thread is answered like one that does not exist', async () => {
    const elsewhere = await send((await newThread(site.ada)).id);
    const { id: threadId } = await newThread(site.ada);
    const [unknown, foreign] = await Promise.all(
      ['msg_00000000000000000000000000', elsewhere.userMessage.id].map((parentId) =>
        send(threadId, { parentId }),
      ),
    );
    expect(unknown).toMatchObject({ code: 'NOT_FOUND' });
    expect(JSON.stringify(foreign)).toBe(JSON.stringify(unknown));
    await finish(elsewhere);
  });

  test('a message replies to the newest answer of the newest message unless it says otherwise', async () => {
    const { id: threadId } = await newThread(site.ada);
    const first = await send(threadId, {
      text: 'One\nsimulate: say Uno.',
      modelIds: [nano.id, named('gpt-5.1').id],
    });
    await finish(first);
    const second = await send(threadId, { text: 'Two\nsimulate: say Due.' });
    await finish(second);
    const third = await send(threadId, { text: 'Three\nsimulate: echo', parentId: first.answers[0]?.id });
    expect(await echoed(third)).toEqual(['user: One', 'assistant: Uno.', 'user: Three']);
    const { messages } = await site.ada.run<{
      messages: Page<{ id: string; parent: { id: string } }>;
    }>('thread', { id: threadId });
    const parents = new Map(nodesOf(messages).map(({ id, parent }) => [id, parent?.id]));
    expect(parents.get(first.userMessage.id)).toBeUndefined();
    expect(parents.get(second.userMessage.id)).toBe(first.answers[1]?.id);
    expect(parents.get(third.userMessage.id)).toBe(first.answers[0]?.id);
  });

  test('the same send twenty times at once is one message and one call for each model', async () => {
    const { id: threadId } = await newThread(site.ada);
    const text = `Only once ${crypto.randomUUID()}`;
    const modelIds = [nano.id, named('gpt-5.1').id];
    const idempotencyKey = crypto.randomUUID();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => send(threadId, { text, modelIds, idempotencyKey })),
    );
    expect(new Set(all.map(({ __typename }) => __typename))).toEqual(new Set(['SendMessagePayload']));
    expect(new Set(all.map(({ userMessage }) => userMessage.id)).size).toBe(1);
    expect(new Set(all.map(({ answers }) => answers.map(({ id }) => id).join())).size).toBe(1);
    await finish(all[0] as Sent);
    expect(site.server.simulator.requests.filter(({ body }) => body.includes(text))).toHaveLength(2);
    expect(await messageCount(threadId)).toBe(3);

    const later = await send(threadId, { text, modelIds, idempotencyKey });
    expect(later.answers.map(({ status }) => status)).toEqual(['COMPLETE', 'COMPLETE']);
    expect(await send(threadId, { text: 'Another', modelIds, idempotencyKey })).toMatchObject({
      __typename: 'ConflictError',
      code: 'CONFLICT',
    });
    expect(await messageCount(threadId)).toBe(3);
  });

  test('an idempotency key is good for one input only: text, models, their order and parent', async () => {
    const { id: threadId } = await newThread(site.ada);
    const earlier = await send(threadId, { text: 'Earlier' });
    await finish(earlier);
    const input = { text: 'Once', modelIds: [nano.id, named('gpt-5.1').id], idempotencyKey: 'once' };
    const first = await send(threadId, input);
    await finish(first);
    const before = await messageCount(threadId);
    const others = [
      { text: 'Once.' },
      { modelIds: [nano.id] },
      { modelIds: input.modelIds.toReversed() },
      { parentId: earlier.userMessage.id },
    ];
    for (const other of others)
      expect(await send(threadId, { ...input, ...other }), JSON.stringify(other)).toMatchObject({
        __typename: 'ConflictError',
        code: 'CONFLICT',
      });
    expect((await send(threadId, { ...input, parentId: null })).userMessage.id).toBe(first.userMessage.id);
    expect(await messageCount(threadId)).toBe(before);
  });

  test('of two inputs sent at once with one idempotency key, one is sent and the other is a conflict', async () => {
    const { id: threadId } = await newThread(site.ada);
    const both = await Promise.all(
      ['One', 'Two'].map((text) => send(threadId, { text, idempotencyKey: 'both' })),
    );
    expect(both.map(({ __typename }) => __typename).toSorted()).toEqual([
      'ConflictError',
      'SendMessagePayload',
    ]);
    expect(await messageCount(threadId)).toBe(2);
    for (const sent of both) if (sent.answers !== undefined) await finish(sent);
  });

  test('a message that was sent before inputs were remembered is repeated by its text', async () => {
    const { id: threadId } = await newThread(site.ada);
    const input = { text: 'Long ago', idempotencyKey: 'old' };
    const first = await send(threadId, input);
    await finish(first);
    const { db } = site.server.app;
    await db.update(messages).set({ inputHash: null }).where(eq(messages.id, first.userMessage.id));
    expect((await send(threadId, input)).userMessage.id).toBe(first.userMessage.id);
    expect(await send(threadId, { ...input, text: 'Now' })).toMatchObject({ code: 'CONFLICT' });
  });

  test('an answer that ends while another one that ended is read again is given as well', async () => {
    const { id: threadId } = await newThread(site.ada);
    const sent = await send(threadId, { modelIds: [nano.id, named('gpt-5.1').id], text: 'simulate: held' });
    const [first, second] = sent.answers.map(({ id }) => id);
    let looks = 0;
    // The first has ended, the second one ends after it was looked at.
    vi.spyOn(site.server.app.running, 'has').mockImplementation((id) => id === second && looks++ === 0);
    const read = await site.ada.run<{ messages: Page<{ id: string }> }>('thread', { id: threadId });
    vi.restoreAllMocks();
    expect(nodesOf(read.messages).map(({ id }) => id)).toEqual([sent.userMessage.id, first, second]);
    site.server.simulator.release();
    await finish(sent);
  });

  test('a seventeenth answer at a time is refused and nothing is stored; another person is not held up', async () => {
    const carl = await site.server.signUp('Carl');
    const own = (await carl.addKey('OPENAI')).models;
    const eight = [...own, ...(await carl.addKey('ANTHROPIC')).models].slice(0, 8).map(({ id }) => id);
    const held = { text: 'simulate: held', modelIds: eight };
    const { id: threadId } = await newThread(carl);
    const running = [await send(threadId, held, carl), await send(threadId, held, carl)];
    const before = await messageCount(threadId);
    expect(await send(threadId, { modelIds: [own[0]?.id] }, carl)).toMatchObject({
      __typename: 'BusyError',
      code: 'BUSY',
      message: 'At most 16 answers may be written for you at a time. Wait for one to end.',
      retryAt: expect.any(String),
    });
    expect(
      await carl.run('regenerate-answer', { input: { answerId: running[0]?.answers[0]?.id } }),
    ).toMatchObject({ __typename: 'BusyError' });
    expect(await messageCount(threadId)).toBe(before);
    await finish(await send((await newThread(site.ada)).id));

    for (const { answers } of running)
      await Promise.all(answers.map(({ id }) => carl.run('stop-answer', { input: { answerId: id } })));
    expect(await send(threadId, { modelIds: [own[0]?.id] }, carl)).toMatchObject({
      __typename: 'SendMessagePayload',
    });
  });

  test('a person who sends a message and closes the connection at once finds the answer finished', async () => {
    const socket = site.ada.socket();
    const { answerId, threadId, call } = await askHeld(site.server.simulator, site.ada, nano);
    call.release(1);
    await follow(socket, 'answer-events', { answerId }).next();
    await socket.dispose();
    call.release();
    await call.closed;
    await eventually('the answer is complete', async () => {
      const thread = await site.ada.run<{ messages: Page<{ id: string; status: string }> }>('thread', {
        id: threadId,
      });
      return nodesOf(thread.messages).find(({ id }) => id === answerId)?.status === 'COMPLETE';
    });
  });
});

describe('regenerating an answer', () => {
  test('regenerating an answer begins a sibling by the same model or another, and leaves the first as it is', async () => {
    const { id: threadId } = await newThread(site.ada);
    const sent = await send(threadId, { text: 'One\nsimulate: say Uno.' });
    const [original] = await finish(sent);
    const answerId = original?.id;
    const { answer: same } = await site.ada.run<{ answer: Event['answer'] }>('regenerate-answer', {
      input: { answerId },
    });
    const { answer: other } = await site.ada.run<{ answer: Event['answer'] }>('regenerate-answer', {
      input: { answerId, modelId: named('gpt-5.1').id },
    });
    expect([same.modelName, other.modelName]).toEqual(['gpt-4.1-nano', 'gpt-5.1']);
    for (const { id } of [same, other])
      expect((await readAnswer(client, id)).end).toMatchObject({ answer: { text: 'Uno.' } });
    const thread = await site.ada.run<{
      messages: Page<{ id: string; text: string; parent: object }>;
    }>('thread', {
      id: threadId,
    });
    expect(nodesOf(thread.messages)).toMatchObject([
      { id: sent.userMessage.id, parent: null },
      { id: answerId, text: 'Uno.', status: 'COMPLETE', parent: { id: sent.userMessage.id } },
      { id: same.id, parent: { id: sent.userMessage.id } },
      { id: other.id, parent: { id: sent.userMessage.id } },
    ]);
  });

  test('a message of a person and an answer in a thread of another person cannot be regenerated', async () => {
    const sent = await send((await newThread(site.ada)).id);
    await finish(sent);
    const eve = await site.server.signUp('Eve');
    const [foreign, unknown] = await Promise.all(
      [sent.answers[0]?.id, 'msg_00000000000000000000000000'].map((answerId) =>
        eve.run('regenerate-answer', { input: { answerId } }),
      ),
    );
    expect(unknown).toMatchObject({ code: 'NOT_FOUND' });
    expect(JSON.stringify(foreign)).toBe(JSON.stringify(unknown));
    expect(await site.ada.run('regenerate-answer', { input: { answerId: sent.userMessage.id } })).toEqual(
      unknown,
    );
  });
});
