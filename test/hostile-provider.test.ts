import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AnswerSink } from '../src/providers/provider.ts';
import { createAnswerWriter } from '../src/providers/wire/answer-writer.ts';
import { createThinkTagReader } from '../src/providers/wire/think-tags.ts';
import { readAnswer } from './kit/answer.ts';
import { addKey, keysOf, type ListedKey, modelsOf, rawBody } from './kit/api-key.ts';
import {
  chunkOf,
  END,
  type HostileProvider,
  listOf,
  respond,
  startHostileProvider,
  stream,
} from './kit/hostile-provider.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** What a provider says is data from outside: it must neither stop the server nor become a row that cannot be read. */

let provider: HostileProvider;
let server: TestServer;
let ada: Person;
let key: AddedKey;

beforeEach(async () => {
  provider = await startHostileProvider();
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  ada = await server.signUp();
  key = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
});
afterEach(async () => {
  await server.close();
  await provider[Symbol.asyncDispose]();
});

/** Asks, and gives the saved answer. */
async function ask(): Promise<{
  status: string;
  text: string;
  reasoning: string;
  code: string | undefined;
  id: string;
}> {
  const { answers } = await ada.ask('Go on.', key.models);
  const client = ada.socket();
  const { end } = await readAnswer(client, answers[0]?.id ?? '');
  await client.dispose();
  const { id = '', status = '', text = '', reasoning = '' } = end?.answer ?? {};
  return { id, status, text, reasoning, code: end?.error?.code };
}

describe('blank space without end', () => {
  const BLANKS = ' \n'.repeat(256);
  const EIGHT_MEBIBYTES = Array<string>(16_384).fill(chunkOf({ delta: { content: BLANKS } }));

  test.each([
    ['after reasoning is left out', '<think>Well.</think>', 0],
    ['before a text is given as text', '', 4 * 1_024 * 1_024],
  ])('%s, and others are answered meanwhile', async (_what, first, blankLength) => {
    const blanks = first === '' ? EIGHT_MEBIBYTES.slice(0, 8_192) : EIGHT_MEBIBYTES;
    const sent = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    provider.answer = async (response) => {
      await stream(response, [chunkOf({ delta: { content: first } }), ...blanks]);
      sent.resolve();
      await released.promise;
      response.end(chunkOf({ delta: { content: 'Words.' } }) + END);
    };
    const answer = ask();
    await sent.promise;
    const eve = await server.signUp('Eve');
    expect(eve.workspaceId).not.toBe(ada.workspaceId);
    released.resolve();
    const { status, text } = await answer;
    expect(status).toBe('COMPLETE');
    expect(text.length).toBe(blankLength + 'Words.'.length);
    expect(text.trimStart()).toBe('Words.');
  });

  test('blank space without end is never held back by more than a few characters', () => {
    let given = '';
    const sink: AnswerSink = {
      text: (delta) => (given += delta),
      reasoning() {},
      citation() {},
      usage() {},
      keep() {},
    };
    const reader = createThinkTagReader(createAnswerWriter(sink));
    let mostHeld = 0;
    for (let fed = 1; fed <= 100_000; fed++) {
      reader.text(' ');
      mostHeld = Math.max(mostHeld, fed - given.length);
    }
    expect(mostHeld).toBeLessThanOrEqual(4_096);
  });
});

describe('JSON that is made to be slow', () => {
  const brackets = '['.repeat(500_000) + ']'.repeat(500_000);

  test('JSON that is made to be slow ends an answer whose events are full of it, and the text so far is kept', async () => {
    provider.answer = async (response) => {
      const events = Array<string>(8).fill(`data: {"a":${brackets}}\n\n`);
      await stream(response, [chunkOf({ delta: { content: 'Words.' } }), ...events]);
      response.end(END);
    };
    expect(await ask()).toMatchObject({ status: 'FAILED', text: 'Words.' });
  });

  test('JSON that is made to be slow in a list is no list', async () => {
    provider.list = (response) => respond(response, 200, '['.repeat(10_000_000));
    const added = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
    expect(added).toMatchObject({ apiKey: { status: 'UNVERIFIED' }, models: [] });
  });

  test('JSON that is made to be slow in an error is no reason to wait', async () => {
    provider.answer = (response) => respond(response, 400, `{"error":${brackets.slice(0, 60_000)}}`);
    expect(await ask()).toMatchObject({ status: 'FAILED', code: 'BAD_REQUEST' });
  });
});

test.each([
  ['events without words', chunkOf({ delta: {} }, { padding: 'x'.repeat(60_000) })],
  ['comments', `: ${'x'.repeat(60_000)}\n\n`],
])('an answer of %s is ended after sixteen mebibytes, and the text so far is kept', async (_what, junk) => {
  provider.answer = async (response) => {
    await stream(response, [
      chunkOf({ delta: { content: 'Words.' } }),
      ...Array<string>(400).fill(junk),
    ]).catch(
      () => {}, // the reader hangs up
    );
    response.end(END);
  };
  expect(await ask()).toMatchObject({ status: 'FAILED', code: 'OUTPUT_TOO_LARGE', text: 'Words.' });
});

test('reasoning in tags is separated from text wherever the tags are cut, with blank space before and after', async () => {
  const said = ' \n<think>First < second </thin king>\n</think>\n\n <b>So</b> <think>is text</think>.';
  for (const size of [1, 2, 3, 5, 7, 100]) {
    const pieces = said.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    provider.answer = async (response) => {
      await stream(
        response,
        pieces.map((content) => chunkOf({ delta: { content } })),
      );
      response.end(END);
    };
    expect(await ask()).toMatchObject({
      status: 'COMPLETE',
      reasoning: 'First < second </thin king>\n',
      text: '<b>So</b> <think>is text</think>.',
    });
  }
});

test('of the sources that an answer names, a thousand with an address of sensible length are kept', async () => {
  const urls = Array.from({ length: 1_200 }, (_, index) => `https://example.com/${index}`);
  const tooLong = `https://example.com/${'x'.repeat(4_096)}`;
  provider.answer = async (response) => {
    await stream(response, [
      chunkOf({ delta: { content: 'Words.' } }, { citations: [tooLong, 'https://example.com/0'] }),
      chunkOf({ delta: {} }, { citations: urls }),
    ]);
    response.end(END);
  };
  const { id } = await ask();
  const { data } = await rawBody(ada, `{ node(id: "${id}") { ... on Answer { citations { url } } } }`);
  const { citations } = data.node as { citations: { url: string }[] };
  expect(citations.map(({ url }) => url)).toEqual(urls.slice(0, 1_000));
});

describe('a list of models', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `m${index}` }));

  test.each<[string, object[], { name: string; title: string; contextWindow: number | null }[]]>([
    [
      'with names that cannot be stored',
      [{ id: 'a\0b' }, { id: 'c\ud800' }, { id: 'n'.repeat(9_000) }, { id: 'd' }],
      [{ name: 'd', title: 'd', contextWindow: null }],
    ],
    [
      'with titles that cannot be stored',
      [
        { id: 'a', name: 'A\0\udc00' },
        { id: 'b', name: '\0' },
        { id: 'd\u202e1', name: 'Hidden' },
        { id: 'e', name: 'Pa\u202Eid\u2066\n\tby\u0007 you\u200f' },
        { id: 'c', name: 'C'.repeat(9_000) },
      ],
      [
        { name: 'a', title: 'A\ufffd', contextWindow: null },
        { name: 'b', title: 'b', contextWindow: null },
        { name: 'e', title: 'Paid by you', contextWindow: null },
        { name: 'c', title: 'C'.repeat(200), contextWindow: null },
      ],
    ],
    [
      'with counts that are none',
      [
        { id: 'a', context_length: 1.5 },
        { id: 'b', context_length: 5e9 },
        { id: 'c', context_length: 4_096 },
      ],
      [
        { name: 'a', title: 'a', contextWindow: null },
        { name: 'b', title: 'b', contextWindow: null },
        { name: 'c', title: 'c', contextWindow: 4_096 },
      ],
    ],
  ])('%s is taken as far as it makes sense', async (_what, entries, expected) => {
    provider.list = (response) => respond(response, 200, listOf(entries));
    const added = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
    expect(added.__typename).toBe('AddApiKeyPayload');
    const checked = await ada.run('check-api-key', { input: { id: key.apiKey.id } });
    expect(checked).toMatchObject({ apiKey: { status: 'ACTIVE', statusMessage: null } });
    const { data } = await rawBody(
      ada,
      `mutation ($id: ID!) { checkApiKey(input: { id: $id }) { ... on CheckApiKeyPayload { models { name title contextWindow } } } }`,
      { id: key.apiKey.id },
    );
    expect(data.checkApiKey).toEqual({ models: expected });
  });

  test.each<[string, unknown]>([
    ['an empty one', { object: 'list', data: [] }],
    ['one that is null, as Ollama has it before a model is pulled', { object: 'list', data: null }],
    ['one in which nothing chats', { data: [{ id: 'text-embedding-3-small' }] }],
    ['one whose names cannot be stored', { data: [{ id: 'a\0b' }] }],
  ])(
    'a list of models that offers nothing to ask leaves the key UNVERIFIED and says so: %s',
    async (_what, list) => {
      provider.list = (response) => respond(response, 200, JSON.stringify(list));
      const sentence =
        'OpenAI-compatible server lists no chat model for this key. Add or allow one there, then check this key again. Check that the base URL is right: that of most servers ends in /v1.';
      const unverified = { status: 'UNVERIFIED', statusMessage: sentence };
      const added = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
      expect(added).toMatchObject({ apiKey: unverified, models: [] });
      const checked = await ada.run('check-api-key', { input: { id: key.apiKey.id } });
      expect(checked).toMatchObject({ apiKey: unverified });
      expect((await modelsOf(ada)).filter(({ isAvailable }) => isAvailable)).toEqual([]);

      provider.list = (response) => respond(response, 200, listOf([{ id: 'model' }]));
      const again = await ada.run('check-api-key', { input: { id: key.apiKey.id } });
      expect(again).toMatchObject({ apiKey: { status: 'ACTIVE', statusMessage: null } });
      expect(await modelsOf(ada)).toMatchObject([{ name: 'model', isAvailable: true }]);
    },
  );

  test('a list of models that a server of one’s own does not have leaves its key UNVERIFIED', async () => {
    provider.list = (response) => respond(response, 404, '404 page not found');
    const added = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
    expect(added.apiKey).toMatchObject({
      status: 'UNVERIFIED',
      statusMessage: expect.stringContaining('base URL'),
    });
  });

  test.each([6_000, 100_000])('a list of models of %i is cut to the first two thousand', async (count) => {
    provider.list = (response) => respond(response, 200, listOf(many(count)));
    const added = await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: provider.baseUrl });
    expect(added.models.map(({ name }) => name)).toEqual(many(2_000).map(({ id }) => id));
    const { models } = await ada.run<AddedKey>('check-api-key', { input: { id: key.apiKey.id } });
    expect(models).toHaveLength(2_000);
  });

  test('a list of models is stored for the longest base URL, and a longer one is refused', async () => {
    const names = Array.from({ length: 20 }, () => ({ id: randomWord(200) }));
    provider.list = (response) => respond(response, 200, listOf(names));
    const base = `${provider.baseUrl}/`;
    const longest = base + randomHex(1_024 - base.length);
    expect(await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl: longest })).toMatchObject({
      apiKey: { status: 'ACTIVE' },
    });
    for (const baseUrl of [`${longest}0`, base + randomWord(1_000)])
      expect(await addKey(ada, { provider: 'CUSTOM', secret: 'none', baseUrl })).toMatchObject({
        __typename: 'InvalidInputError',
        message: 'The base URL is too long.',
      });
  });
});

/** Letters that no compression makes much shorter, three bytes of UTF-8 each. */
function randomWord(length: number): string {
  return Array.from({ length }, () => String.fromCharCode(0x4e00 + Math.floor(Math.random() * 0x5000))).join(
    '',
  );
}

function randomHex(length: number): string {
  return Array.from({ length }, () => Math.floor(Math.random() * 16).toString(16)).join('');
}

test.each([
  ['GEMINI', { models: [], nextPageToken: '\ud800' }],
  ['ANTHROPIC', { data: [], has_more: true, last_id: '\ud800' }],
])('a page of %s whose cursor is half a character leaves the key UNVERIFIED', async (name, page) => {
  await using stranger = await startHostileProvider();
  stranger.list = (response) => respond(response, 200, JSON.stringify(page));
  await using other = await startTestServer({
    LATCHKEY_PROVIDER_URLS: JSON.stringify({ [name]: stranger.baseUrl }),
  });
  const eve = await other.signUp('Eve');
  expect(await addKey(eve, { provider: name, secret: 'sk-sim-0123456789' })).toMatchObject({
    apiKey: { status: 'UNVERIFIED' },
  });
});

describe('what was said about a secret that was replaced meanwhile', () => {
  const REFUSAL = JSON.stringify({
    error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' },
  });

  test.each([200, 401])(
    'does not become the health of the new one: a check that ends with %i',
    async (status) => {
      const held = Promise.withResolvers<ServerResponse>();
      provider.list = held.resolve;
      const check = ada.run<{ apiKey: ListedKey }>('check-api-key', { input: { id: key.apiKey.id } });
      const response = await held.promise;
      provider.list = (later) => respond(later, 200, listOf([{ id: 'newer' }]));
      await ada.run('replace-api-key-secret', { input: { id: key.apiKey.id, secret: 'new' } });
      respond(response, status, status === 200 ? listOf([{ id: 'older' }]) : REFUSAL);
      expect((await check).apiKey).toMatchObject({ status: 'ACTIVE' });
      const usable = (await modelsOf(ada)).filter(({ isAvailable }) => isAvailable);
      expect(usable.map(({ name }) => name)).toEqual(['newer']);
    },
  );

  test('an answer with a secret that was replaced meanwhile does not set the health of the new one', async () => {
    const held = Promise.withResolvers<ServerResponse>();
    provider.answer = held.resolve;
    const work = vi.spyOn(server.app, 'track');
    const answer = ask();
    const response = await held.promise;
    await ada.run('replace-api-key-secret', { input: { id: key.apiKey.id, secret: 'new' } });
    respond(response, 401, REFUSAL);
    expect(await answer).toMatchObject({ code: 'INVALID_KEY' });
    // The outcome of the key is saved after the end was published.
    await Promise.all(work.mock.calls.map(([done]) => done));
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
  });
});

describe('the sentence for a manager of a key', () => {
  test('the sentence for a manager of a key names the base URL when a server of one’s own does not know the way', async () => {
    provider.list = (response) => respond(response, 404, '404 page not found');
    await ada.run('check-api-key', { input: { id: key.apiKey.id } });
    const [{ statusMessage }] = (await keysOf(ada)) as [ListedKey];
    expect(statusMessage).toBe(
      'OpenAI-compatible server did not accept this request. Choose another model; if every model fails like this, check the address (base URL). The base URL of most servers ends in /v1.',
    );
  });

  test('the sentence for a manager of a key names credit where a provider refuses an account without any like a wrong key', async () => {
    expect(await ada.addKey('PERPLEXITY', 'sk-sim-wrong')).toMatchObject({
      __typename: 'ProviderRefusedError',
      message: expect.stringContaining('Perplexity says the same of an account without credit.'),
    });
  });
});
