import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  applyDelta,
  askHeld,
  type Event,
  type Follower,
  follow,
  isEnd,
  readAnswer,
  TRANSPORTS,
} from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { type ScriptedProvider, startScriptedProvider } from './kit/scripted-provider.ts';
import { IS_CARRIED, SERVERS, startTestServer, type TestServer } from './kit/server.ts';

let provider: ScriptedProvider;
let server: TestServer;
let ada: Person;
let model: NamedModel;
let scripted: NamedModel;
let customKeyId: string;
let client: Follower;

beforeAll(async () => {
  provider = await startScriptedProvider();
  server = await startTestServer({
    LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host,
    LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN,
  });
  ada = await server.signUp();
  model = await modelOf(ada);
  const custom = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  scripted = custom.models[0] as NamedModel;
  customKeyId = custom.apiKey.id;
  client = ada.socket();
});

afterAll(async () => {
  await client?.dispose();
  await server?.close();
  await provider?.[Symbol.asyncDispose]();
});

/** A new key of the simulator, and its model that neither reasons nor is an alias. */
async function keyAndModel(person: Person): Promise<{ apiKeyId: string; model: NamedModel }> {
  const { apiKey, models } = await person.addKey('OPENAI');
  const found = models.find(({ name }) => name === 'gpt-4.1-nano');
  if (found === undefined) throw new Error('the simulator does not list the model');
  return { apiKeyId: apiKey.id, model: found };
}

async function modelOf(person: Person): Promise<NamedModel> {
  return (await keyAndModel(person)).model;
}

/** Asks the scripted provider, and gives the answer's id and the call to be written. */
async function askScripted() {
  const sent = await ada.ask('Go on.', [scripted]);
  return { answerId: sent.answers[0]?.id ?? '', call: await provider.nextCall() };
}

async function expireScripted(expiresAt: string | null): Promise<void> {
  await ada.run('update-api-key', { input: { id: customKeyId, expiresAt } });
}

describe('following an answer', () => {
  test.for([0, 3])('a reader that has %i characters gets the rest and nothing twice', async (offset) => {
    const { answerId, call } = await askScripted();
    call.write({ content: 'Good ' });
    const events = follow(client, 'answer-events', { answerId, offset });
    const first = await nextOf(events);
    expect(first).toMatchObject({ __typename: 'AnswerDelta', part: 'TEXT', offset });
    expect('Good '.startsWith(first.text, offset)).toBe(true);
    call.write({ content: 'morning.' });
    call.finish();
    const rest: Event[] = [first];
    for await (const event of events) rest.push(event);
    expect(rest.filter((event) => !isEnd(event)).map(({ text }) => text)).not.toContain('');
    expect(rest.map((event) => (isEnd(event) ? '' : event.text)).join('')).toBe(
      'Good morning.'.slice(offset),
    );
    expect(rest.at(-1)).toMatchObject({
      __typename: 'AnswerFinished',
      answer: { status: 'COMPLETE', text: 'Good morning.' },
    });
  });

  test('a reader that claims more than there is waits, and the end corrects it', async () => {
    const { answerId, call } = await askScripted();
    const reading = readAnswer(client, answerId, { offset: 1_000, reasoningOffset: 1_000 });
    call.write({ reasoning_content: 'Hm.' });
    call.write({ content: 'Short.' });
    call.finish();
    expect(await reading).toMatchObject({
      deltas: 0,
      end: { answer: { text: 'Short.', reasoning: 'Hm.' } },
    });
  });

  test('an answer that has ended gives its end at once, whatever the offset', async () => {
    const { answerId, call } = await askScripted();
    call.write({ content: 'Done.' });
    call.finish();
    const { end } = await readAnswer(client, answerId);
    for (const offset of [0, 2, 5, 99]) {
      expect(await readAnswer(client, answerId, { offset })).toEqual({
        ...{ text: '', reasoning: '', deltas: 0, retries: 0 },
        end,
      });
    }
  });

  test('a negative offset is refused', async () => {
    const { answerId, call } = await askScripted();
    call.write({ content: 'x' });
    call.finish();
    await expect(readAnswer(client, answerId, { offset: -1 })).rejects.toThrow('cannot be negative');
  });

  test('reasoning has offsets of its own and one blank line between its blocks', async () => {
    const { answerId, call } = await askScripted();
    call.write({ reasoning_content: 'First ' });
    call.write({ reasoning_content: 'thought.' });
    call.write({ content: 'A' });
    call.write({ reasoning_content: 'Second thought.' });
    call.write({ content: 'B' });
    const expected = { text: 'AB', reasoning: 'First thought.\n\nSecond thought.' };
    const held = { text: '', reasoning: '' };
    for await (const event of follow(client, 'answer-events', { answerId })) {
      if (isEnd(event)) expect(event.answer).toMatchObject(expected);
      else applyDelta(held, event);
      if (held.text === expected.text) call.finish();
    }
    expect(held).toEqual(expected);
  });

  test.runIf(IS_CARRIED)(
    'a provider that refuses twice is asked again, and readers get an event each time',
    async () => {
      const { answerId, call } = await askScripted();
      const events = follow(client, 'answer-events', { answerId });
      call.refuse(429, { 'retry-after-ms': '20' });
      expect(await nextOf(events)).toMatchObject({
        __typename: 'AnswerRetrying',
        attempt: 1,
        retryAt: expect.stringMatching(/Z$/),
        error: { code: 'RATE_LIMITED', fixableBy: 'YOU' },
      });
      (await provider.nextCall()).refuse(429, { 'retry-after-ms': '20' });
      expect(await nextOf(events)).toMatchObject({ __typename: 'AnswerRetrying', attempt: 2 });
      const third = await provider.nextCall();
      third.write({ content: 'At last.' });
      third.finish();
      const rest: Event[] = [];
      for await (const event of events) rest.push(event);
      expect(rest.map((event) => event.__typename)).toEqual(['AnswerDelta', 'AnswerFinished']);
    },
  );

  describe.runIf(IS_CARRIED)('while the next try is waited for', () => {
    test.for([
      { code: 'PLAN_REQUIRED', lost: 'the plan', change: () => setPlan(server, { userId: ada.id }, 'FREE') },
      {
        code: 'KEY_EXPIRED',
        lost: 'the time of the key',
        change: () => expireScripted('2020-01-01T00:00:00Z'),
      },
    ])('a provider that refuses is not asked again once $lost has run out', async ({ code, change }) => {
      const { answerId, call } = await askScripted();
      await change();
      call.refuse(429, { 'retry-after-ms': '500' }); // so that a reader who comes now still learns of it
      const { retries, end } = await readAnswer(client, answerId);
      expect(retries).toBe(1);
      expect(end).toMatchObject({ __typename: 'AnswerFailed', error: { code } });

      // The key is none the worse for it, and the next call is that of the next question.
      await setPlan(server, { userId: ada.id }, null);
      await expireScripted(null);
      const next = await askScripted();
      next.call.write({ content: 'Again.' });
      next.call.finish();
      expect((await readAnswer(client, next.answerId)).end).toMatchObject({ answer: { text: 'Again.' } });
    });
  });

  // They look into the server that writes the answer, which is any of several.
  const transportsOfOne = SERVERS === 1 ? (Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[]) : [];
  test.for(transportsOfOne)('a reader that leaves is forgotten at once, over %s', async (transport) => {
    const { answerId, call } = await askHeld(server.simulator, ada, model);
    const live = server.app.running.get(answerId);
    const closed = new Set<number>();
    let opened = 0;
    const read = live?.read.bind(live);
    if (live === undefined || read === undefined) throw new Error('the answer is not being written');
    live.read = (offsets, wake) => {
      const reader = read(offsets, wake);
      const number = ++opened;
      return { take: reader.take, close };
      function close() {
        closed.add(number);
        reader.close();
      }
    };
    const parked = TRANSPORTS[transport](ada);
    const left = parked.iterate(subscriptionTo(answerId));
    const waiting = left.next();
    await eventually('a parked reader', () => opened === 1);
    await left.return?.();
    await eventually('the parked reader is closed', () => closed.has(1));
    await waiting;

    const busy = TRANSPORTS[transport](ada);
    call.release(5);
    const leaving = busy.iterate(subscriptionTo(answerId));
    await leaving.next();
    busy.drop();
    await eventually('the busy reader is closed', () => closed.has(2));
    call.release();
    expect((await readAnswer(client, answerId)).end?.__typename).toBe('AnswerFinished');
    await parked.dispose();
  });

  test.runIf(SERVERS === 1)('a reader that leaves before it has begun is forgotten too', async () => {
    const { answerId, threadId, call } = await askHeld(server.simulator, ada, model);
    const live = server.app.running.get(answerId);
    const read = live?.read.bind(live);
    if (live === undefined || read === undefined) throw new Error('the answer is not being written');
    let open = 0;
    live.read = (offsets, wake) => {
      const reader = read(offsets, wake);
      open += 1;
      return {
        take: reader.take,
        close() {
          open -= 1;
          reader.close();
        },
      };
    };
    const socket = ada.socket();
    await nextOf(follow(socket, 'thread-events', { threadId }));
    const stays = socket.iterate(subscriptionTo(answerId));
    const gone = Array.from({ length: 10 }, () => {
      const leaving = socket.iterate(subscriptionTo(answerId));
      leaving.next().catch(() => {});
      return leaving.return?.();
    });
    await Promise.all(gone);
    call.release(1);
    await stays.next();
    await eventually('the thread and the one that stays are left', () => open === 2);
    call.release();
    await socket.dispose();
  });

  test('readers that left make room for others on their socket', async () => {
    const { answerId, call } = await askHeld(server.simulator, ada, model);
    const socket = ada.socket();
    for (let round = 0; round < 3; round++) {
      const readers = Array.from({ length: 50 }, () => follow(socket, 'answer-events', { answerId }));
      call.release(1);
      const firsts = await Promise.all(readers.map(nextOf));
      expect(firsts.every((event) => event.__typename === 'AnswerDelta')).toBe(true);
      await Promise.all(readers.map((reader) => reader.return(undefined)));
    }
    call.release();
    await socket.dispose();
  });

  test('what is no answer of the viewer cannot be followed, and says no more than what is not there', async () => {
    const { answerId, call } = await askHeld(server.simulator, ada, model);
    const eve = await server.signUp('Eve');
    const socket = eve.socket();
    const refusalOf = (id: string) => readAnswer(socket, id).catch((error: Error) => error.message);
    const whileWritten = await refusalOf(answerId);
    call.release();
    await readEnds(answerId);
    const ids = [answerId, 'msg_00000000000000000000000000', 'nonsense', ''];
    const refusals = [whileWritten, ...(await Promise.all(ids.map(refusalOf)))];
    expect(new Set(refusals).size).toBe(1);
    expect(whileWritten).toContain('NOT_FOUND');
    await socket.dispose();
  });
});

describe('how an answer ends', () => {
  test('whatever a provider does, the answer ends with its name and keeps its text', async () => {
    const faults = [
      'cut',
      'eof',
      'error',
      'empty',
      'length',
      'filter',
      'blocked',
      'long',
      'unknown',
      'disabled',
    ];
    const endings = await Promise.all(
      [...faults, 'limited-always', 'overloaded'].map(async (fault) => {
        const sent = await ada.ask(`simulate: ${fault}`, [model]);
        const { end } = await readAnswer(client, sent.answers[0]?.id ?? '');
        const answer = end?.answer;
        const hasRetry = end?.error?.retryAt != null ? ' with a time to try again' : '';
        const why = end?.error?.code ?? answer?.finishReason;
        return `${fault}: ${answer?.status} ${why}${answer?.text === '' ? ' without text' : ''}${hasRetry}`;
      }),
    );
    expect(endings).toMatchInlineSnapshot(`
      [
        "cut: FAILED STREAM_CUT",
        "eof: FAILED STREAM_CUT",
        "error: FAILED PROVIDER_ERROR",
        "empty: FAILED EMPTY_ANSWER without text",
        "length: COMPLETE LENGTH",
        "filter: COMPLETE CONTENT_FILTER",
        "blocked: FAILED CONTENT_FILTERED without text",
        "long: FAILED CONTEXT_TOO_LONG without text",
        "unknown: FAILED MODEL_NOT_FOUND without text",
        "disabled: FAILED MODEL_UNAVAILABLE without text",
        "limited-always: FAILED RATE_LIMITED without text with a time to try again",
        "overloaded: FAILED PROVIDER_OVERLOADED without text",
      ]
    `);
  });

  test('an answer without end is ended at 8 MiB', async () => {
    const sent = await ada.ask('simulate: flood', [model]);
    const { end, text } = await readAnswer(client, sent.answers[0]?.id ?? '');
    expect(end).toMatchObject({
      __typename: 'AnswerFailed',
      answer: { status: 'FAILED' },
      error: { code: 'OUTPUT_TOO_LARGE', fixableBy: 'YOU' },
    });
    expect(end?.answer.text === text).toBe(true);
    expect(text.length).toBeGreaterThan(8_000_000);
    expect(text.length).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  test('a key that the provider no longer accepts fails the answer and is remembered', async () => {
    const { apiKey, models } = await ada.addKey('CUSTOM', 'none', {
      baseUrl: `${provider.baseUrl}/revoked`,
    });
    const sent = await ada.ask('Go on.', models);
    (await provider.nextCall()).refuse(401, {}, 'Incorrect API key provided.');
    const { end } = await readAnswer(client, sent.answers[0]?.id ?? '');
    expect(end).toMatchObject({ answer: { status: 'FAILED' }, error: { code: 'INVALID_KEY' } });
    await eventually('the key is marked', async () => {
      const { apiKeys } = await ada.run<{ apiKeys: Page<{ id: string; status: string }> }>('api-keys', {
        workspaceId: ada.workspaceId,
      });
      return nodesOf(apiKeys).find(({ id }) => id === apiKey.id)?.status === 'INVALID';
    });
  });

  test('nonsense from a provider does not keep an answer from ending', async () => {
    const { answerId, call } = await askScripted();
    const annotation = (url: string, title: string, start_index: number) => ({
      type: 'url_citation',
      url_citation: { url, title, start_index, end_index: 2 ** 40 },
    });
    const annotations = [annotation('https://example.com/', 'a\0\ud800', 0.5)];
    call.event({ choices: [{ index: 0, delta: { content: 'Fine.', annotations } }] });
    call.finish('st\0op\udc00', { prompt_tokens: 1e15, completion_tokens: 1.5 });
    expect((await readAnswer(client, answerId)).end).toMatchObject({
      answer: {
        status: 'COMPLETE',
        text: 'Fine.',
        providerFinishReason: 'stop\ufffd',
        usage: { inputTokens: null, outputTokens: 2, isEstimated: true },
        citations: [{ url: 'https://example.com/', title: 'a\ufffd', startOffset: null, endOffset: null }],
      },
    });
  });

  test('stopping closes the provider’s socket, keeps the text and returns after the save', async () => {
    const { answerId, threadId, call } = await askHeld(server.simulator, ada, model);
    const events = follow(client, 'answer-events', { answerId });
    call.release(4);
    await nextOf(events);
    const { answer } = await ada.run<{ answer: Event['answer'] }>('stop-answer', { input: { answerId } });
    expect(answer.status).toBe('STOPPED');
    expect(await call.closed).toBe('left');
    expect(await messagesOf(ada, threadId)).toMatchObject([
      { role: 'USER' },
      { id: answerId, status: 'STOPPED', text: answer.text, error: null },
    ]);
    const rest: Event[] = [];
    for await (const event of events) rest.push(event);
    expect(rest.at(-1)).toMatchObject({ __typename: 'AnswerFinished', answer: { text: answer.text } });

    const again = await ada.run<{ answer: Event['answer'] }>('stop-answer', { input: { answerId } });
    expect(again.answer).toEqual(answer);
  });

  test('an answer that has ended is left as it is by stopping', async () => {
    const { answerId, call } = await askScripted();
    call.write({ content: 'Done.' });
    call.finish();
    await readAnswer(client, answerId);
    expect(await ada.run('stop-answer', { input: { answerId } })).toMatchObject({
      answer: { status: 'COMPLETE', text: 'Done.' },
    });
  });

  test('stopping and finishing at once give one end, the same for every reader', async () => {
    for (let round = 0; round < 10; round++) {
      const { answerId, call } = await askScripted();
      call.write({ content: 'Done.' });
      const readers = [readEnds(answerId), readEnds(answerId)];
      call.finish();
      const stops = await Promise.all(
        [1, 2].map(() => ada.run<{ answer: Event['answer'] }>('stop-answer', { input: { answerId } })),
      );
      const ends = await Promise.all(readers);
      const statuses = [
        ...stops.map(({ answer }) => answer.status),
        ...ends.flat().map(({ answer }) => answer.status),
      ];
      expect(ends.map((list) => list.length)).toEqual([1, 1]);
      expect(new Set(statuses).size).toBe(1);
      expect(['COMPLETE', 'STOPPED']).toContain(statuses[0]);
    }
  });

  test.for([
    ['removed', 'remove-api-key', {}],
    ['switched off', 'update-api-key', { isEnabled: false }],
  ] as const)(
    'a key that is %s ends the answers it pays for within a second',
    async ([, operation, change]) => {
      const key = await keyAndModel(ada);
      const { answerId, call } = await askHeld(server.simulator, ada, key.model);
      const events = follow(client, 'answer-events', { answerId });
      const held = { text: '', reasoning: '' };
      call.release(3);
      applyDelta(held, await nextOf(events)); // it is being followed before its key goes
      const startedAt = performance.now();
      // The model is offered by an older key too; both go.
      for (const id of await apiKeyIds(ada, 'OPENAI')) await ada.run(operation, { input: { id, ...change } });
      let event = await nextOf(events);
      for (; !isEnd(event); event = await nextOf(events)) applyDelta(held, event);
      expect(performance.now() - startedAt).toBeLessThan(1_500);
      expect(event).toMatchObject({
        __typename: 'AnswerFailed',
        answer: { status: 'FAILED', text: held.text },
        error: { code: 'KEY_REMOVED', fixableBy: 'KEY_MANAGER' },
      });
      expect(await call.closed).toBe('left');
      model = await modelOf(ada);
    },
  );

  test('deleting a thread ends its answers and their readers, and closes the provider’s socket', async () => {
    const { answerId, threadId, call } = await askHeld(server.simulator, ada, model);
    const events = follow(client, 'answer-events', { answerId });
    call.release(1);
    await nextOf(events);
    await ada.run('delete-thread', { input: { id: threadId } });
    expect(await call.closed).toBe('left');
    const rest: Event[] = [];
    const reading = async () => {
      for await (const event of events) rest.push(event);
    };
    await expect(reading()).rejects.toThrow('NOT_FOUND');
    expect(rest.filter(isEnd)).toEqual([]);
  });
});

function subscriptionTo(answerId: string) {
  const query = 'subscription ($id: ID!) { answerEvents(answerId: $id) { __typename } }';
  return { query, variables: { id: answerId } };
}

async function nextOf(events: AsyncGenerator<Event>): Promise<Event> {
  const { value, done } = await events.next();
  if (done) throw new Error('the subscription ended');
  return value;
}

async function readEnds(answerId: string): Promise<Event[]> {
  const ends: Event[] = [];
  for await (const event of follow(client, 'answer-events', { answerId })) if (isEnd(event)) ends.push(event);
  return ends;
}

async function messagesOf(person: Person, id: string): Promise<object[]> {
  const thread = await person.run<{ messages: Page<object> }>('thread', { id });
  return nodesOf(thread.messages);
}

async function apiKeyIds(person: Person, provider: string): Promise<string[]> {
  const { apiKeys } = await person.run<{ apiKeys: Page<{ id: string; provider: string }> }>('api-keys', {
    workspaceId: person.workspaceId,
  });
  return nodesOf(apiKeys)
    .filter((apiKey) => apiKey.provider === provider)
    .map(({ id }) => id);
}
