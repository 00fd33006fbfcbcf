import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { modelFamily } from '../src/providers/kept-reasoning.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { ask, CHAT_MODEL, callOf, codeOf, question, SECRET, scriptedProviders } from './fixtures/ask.ts';
import { eventStream, json, type ScriptedResponse } from './fixtures/scripted-egress.ts';
import { data, STREAMS } from './fixtures/streams.ts';

describe.each(STREAMS)('$title', (stream) => {
  const { provider, model, events, eventsToEnd, text, reasoning, citations, usage, end } = stream;
  const kept = stream.kept ? { provider, family: modelFamily(model), items: stream.kept } : null;
  const whole = { text, reasoning, citations, usage, kept, end, error: null };

  test('is read to its end', async () => {
    const { providers } = scriptedProviders(() => eventStream(events));
    expect(await ask(providers, provider, question(model))).toEqual(whole);
  });

  test('means the same however the network cuts it into pieces', async () => {
    const bytes = Buffer.from(events.join(''));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 40 }), async (cuts) => {
        const { providers } = scriptedProviders(() => eventStream(cutAt(bytes, cuts)));
        expect(await ask(providers, provider, question(model))).toEqual(whole);
      }),
      { numRuns: 100 },
    );
  });

  test('means the same with a byte in every piece and with other line ends', async () => {
    const bytes = Buffer.from(events.join('').replaceAll('\n', '\r\n'));
    const { providers } = scriptedProviders(() => eventStream([...bytes].map((byte) => Uint8Array.of(byte))));
    expect(await ask(providers, provider, question(model))).toEqual(whole);
  });

  test('is cut, with the text so far, wherever it ends early', async () => {
    for (let count = 0; count < eventsToEnd; count += 1) {
      const { providers } = scriptedProviders(() => eventStream(events.slice(0, count)));
      const outcome = await ask(providers, provider, question(model));
      expect(codeOf(outcome.error)).toBe('STREAM_CUT');
      expect(text.startsWith(outcome.text)).toBe(true);
    }
    const beforeEnd = scriptedProviders(() => eventStream(events.slice(0, eventsToEnd - 1)));
    expect((await ask(beforeEnd.providers, provider, question(model))).text).toBe(text);
  });

  test('is complete with its end mark, whatever follows or does not', async () => {
    const { providers } = scriptedProviders(() => eventStream(events.slice(0, eventsToEnd)));
    expect(await ask(providers, provider, question(model))).toMatchObject({ text, end, error: null });
  });

  test('skips three events that are no JSON, and gives up at the fourth', async () => {
    const garbage = 'data: {"choices":[{"del\n\n';
    const some = [garbage, events[0] ?? '', garbage, garbage, ...events.slice(1)];
    const tolerant = scriptedProviders(() => eventStream(some));
    expect(await ask(tolerant.providers, provider, question(model))).toEqual(whole);
    const strict = scriptedProviders(() => eventStream([garbage, ...some]));
    expect(codeOf((await ask(strict.providers, provider, question(model))).error)).toBe('PROVIDER_ERROR');
  });
});

describe('an error inside a stream that began well', () => {
  const overloaded: [ProviderName, string, string][] = [
    ['OPENAI', CHAT_MODEL, data({ error: { message: 'The engine is currently overloaded', code: null } })],
    [
      'OPENAI',
      'gpt-5.6-pro',
      data({ type: 'error', code: 'server_is_overloaded', message: 'Overloaded', param: null }),
    ],
    [
      'OPENAI',
      'gpt-5.6-pro',
      data({
        type: 'response.failed',
        response: { error: { code: 'server_is_overloaded', message: 'Overloaded' } },
      }),
    ],
    [
      'ANTHROPIC',
      'claude-x',
      data({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    ],
    [
      'GEMINI',
      'gemini-x',
      data({ error: { code: 503, message: 'experiencing high demand', status: 'UNAVAILABLE' } }),
    ],
    ['CUSTOM', 'llama3', data({ error: { code: 503, message: 'overloaded' }, choices: [] })],
    ['NOVITA', 'm', data({ code: 503, reason: 'SERVICE_UNAVAILABLE', message: 'overloaded', metadata: {} })],
    [
      'MISTRAL',
      'm',
      data({ object: 'error', message: 'At capacity', type: 'backend_out_of_capacity', code: '3505' }),
    ],
    ['XAI', 'm', data({ code: 'The service is overloaded', error: 'Service overloaded' })],
  ];

  test.each(overloaded)(
    'an error of %s (%s) inside a stream is classified like one before it, and keeps the text',
    async (provider, model, failure) => {
      const stream = STREAMS.find((fixture) => fixture.provider === provider && fixture.model === model);
      const begun = stream ? stream.events.slice(0, stream.eventsToEnd - 1) : [];
      const { providers } = scriptedProviders(() => eventStream([...begun, failure]));
      const outcome = await ask(providers, provider, question(model));
      expect(codeOf(outcome.error)).toBe('PROVIDER_OVERLOADED');
      expect(outcome.text).toBe(stream?.text ?? '');
    },
  );

  test('an error inside a stream that began well never shows the key that the provider echoed', async () => {
    const { providers } = scriptedProviders(() =>
      eventStream([
        data({ error: { message: `Incorrect API key provided: ${SECRET}`, code: 'invalid_api_key' } }),
      ]),
    );
    const { error } = await ask(providers, 'OPENAI', question(CHAT_MODEL));
    expect(codeOf(error)).toBe('INVALID_KEY');
    const shown = [
      error,
      (error as Error).stack,
      JSON.stringify(error),
      (error as { providerText?: string }).providerText,
    ];
    expect(shown.join()).not.toContain('canary');
  });
});

describe('a response that is no stream', () => {
  test.each<[string, ScriptedResponse, string]>([
    [
      'a login page',
      { headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' },
      'PROVIDER_ERROR',
    ],
    [
      'an error as JSON',
      json({ error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' } }),
      'RATE_LIMITED',
    ],
    ['other JSON', json({ ok: true }), 'PROVIDER_ERROR'],
    ['nothing at all', eventStream([]), 'STREAM_CUT'],
    [
      'a refusal',
      json({ error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } }, 401),
      'INVALID_KEY',
    ],
    ['a redirect', { status: 302, headers: { location: 'https://elsewhere.example/' } }, 'BAD_REQUEST'],
  ])('a response that is %s instead of a stream is classified as such', async (_title, response, code) => {
    const { providers } = scriptedProviders(() => response);
    expect(codeOf((await ask(providers, 'OPENAI', question(CHAT_MODEL))).error)).toBe(code);
  });
});

describe('content that a provider filtered', () => {
  const chatFilter = data({ choices: [{ delta: {}, finish_reason: 'content_filter' }] });
  const refusal = [
    data({ type: 'message_delta', delta: { stop_reason: 'refusal' }, usage: {} }),
    data({ type: 'message_stop' }),
  ];
  const someClaude = data({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text: 'So' },
  });
  const someGemini = data({ candidates: [{ content: { parts: [{ text: 'So' }] } }] });

  test.each<[string, ProviderName, string[]]>([
    ['a blocked prompt', 'GEMINI', [data({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } })]],
    ['an answer cut for safety', 'GEMINI', [data({ candidates: [{ finishReason: 'SAFETY' }] })]],
    ['a refusal', 'ANTHROPIC', refusal],
    ['a filter', 'MISTRAL', [chatFilter]],
  ])(
    'content that a provider filtered without a word is a failure: %s of %s',
    async (_title, provider, events) => {
      const { providers } = scriptedProviders(() => eventStream(events));
      expect(codeOf((await ask(providers, provider, question('m'))).error)).toBe('CONTENT_FILTERED');
    },
  );

  test.each<[string, ProviderName, string[], string]>([
    ['SAFETY', 'GEMINI', [someGemini, data({ candidates: [{ finishReason: 'SAFETY' }] })], 'So'],
    ['refusal', 'ANTHROPIC', [someClaude, ...refusal], 'So'],
    ['content_filter', 'MISTRAL', [data({ choices: [{ delta: { content: 'So' } }] }), chatFilter], 'So'],
  ])(
    'content that a provider filtered after some words ends the answer: %s of %s',
    async (word, provider, events, text) => {
      const { providers } = scriptedProviders(() => eventStream(events));
      expect(await ask(providers, provider, question('m'))).toMatchObject({
        text,
        end: { finishReason: 'CONTENT_FILTER', providerFinishReason: word },
        error: null,
      });
    },
  );
});

test('every finish reason of a provider has a value in our API', async () => {
  const ends: Record<string, string> = {};
  const finish = async (provider: ProviderName, model: string, word: string, ...events: object[]) => {
    const { providers } = scriptedProviders(() => eventStream(events.map(data)));
    const { end, error } = await ask(providers, provider, question(model));
    ends[`${provider} ${word}`] = end?.finishReason ?? String(codeOf(error));
  };
  const word = { content: 'Well' };
  for (const reason of ['stop', 'length', 'tool_calls', 'content_filter', 'function_call', 'something_new']) {
    await finish('OPENAI', CHAT_MODEL, reason, { choices: [{ delta: word, finish_reason: reason }] });
  }
  await finish('MISTRAL', 'm', 'error', { choices: [{ delta: word, finish_reason: 'error' }] });
  for (const reason of [
    'end_turn',
    'max_tokens',
    'stop_sequence',
    'tool_use',
    'pause_turn',
    'model_context_window_exceeded',
  ]) {
    const end = { type: 'message_delta', delta: { stop_reason: reason } };
    await finish('ANTHROPIC', 'm', reason, end, { type: 'message_stop' });
  }
  for (const reason of ['STOP', 'MAX_TOKENS', 'OTHER', 'MALFORMED_FUNCTION_CALL']) {
    await finish('GEMINI', 'm', reason, { candidates: [{ finishReason: reason }] });
  }
  for (const type of ['response.completed', 'response.cancelled']) {
    await finish('PERPLEXITY', 'm', type, { type, response: {} });
  }
  expect(ends).toMatchInlineSnapshot(`
    {
      "ANTHROPIC end_turn": "STOP",
      "ANTHROPIC max_tokens": "LENGTH",
      "ANTHROPIC model_context_window_exceeded": "LENGTH",
      "ANTHROPIC pause_turn": "OTHER",
      "ANTHROPIC stop_sequence": "STOP",
      "ANTHROPIC tool_use": "OTHER",
      "GEMINI MALFORMED_FUNCTION_CALL": "OTHER",
      "GEMINI MAX_TOKENS": "LENGTH",
      "GEMINI OTHER": "OTHER",
      "GEMINI STOP": "STOP",
      "MISTRAL error": "PROVIDER_ERROR",
      "OPENAI content_filter": "CONTENT_FILTER",
      "OPENAI function_call": "OTHER",
      "OPENAI length": "LENGTH",
      "OPENAI something_new": "OTHER",
      "OPENAI stop": "STOP",
      "OPENAI tool_calls": "OTHER",
      "PERPLEXITY response.cancelled": "STREAM_CUT",
      "PERPLEXITY response.completed": "STOP",
    }
  `);
});

describe('reasoning in tags', () => {
  test.each([
    [
      '<think>Is 2 < 3? </this> </think\n> Yes.</think>\n\nYes.',
      ['Is 2 < 3? </this> </think\n> Yes.'],
      'Yes.',
    ],
    ['\n <think>Never closed </th', ['Never closed </th'], ''],
    ['<think></think>Yes.', [], 'Yes.'],
    ['The tag <think>…</think> is text here.', [], 'The tag <think>…</think> is text here.'],
    ['<thinking> is another tag', [], '<thinking> is another tag'],
    ['\n<th', [], '\n<th'],
  ])('%j is separated from text, however it is cut into deltas', async (content, reasoning, text) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(content.length), { maxLength: 12 }), async (cuts) => {
        const deltas = cutAt(Buffer.from(content), cuts.filter(isCharacterStart)).map(String);
        const events = deltas.map((delta) => data({ choices: [{ delta: { content: delta } }] }));
        const { providers } = scriptedProviders(() => eventStream([...events, 'data: [DONE]\n\n']));
        expect(await ask(providers, 'NOVITA', question('m'))).toMatchObject({ text, reasoning, error: null });
      }),
      { numRuns: 50 },
    );
    function isCharacterStart(place: number): boolean {
      return ((Buffer.from(content)[place] ?? 0) & 0xc0) !== 0x80;
    }
  });

  test('tags are text for a provider that separates its reasoning', async () => {
    const events = [data({ choices: [{ delta: { content: '<think>Hm.</think>' }, finish_reason: 'stop' }] })];
    const { providers } = scriptedProviders(() => eventStream(events));
    expect(await ask(providers, 'OPENAI', question(CHAT_MODEL))).toMatchObject({
      text: '<think>Hm.</think>',
    });
  });
});

test('text that might have become a tag is not lost with the connection', async () => {
  const body = neverEnding([data({ choices: [{ delta: { content: '<th' } }] })]);
  body.once('data', () => setImmediate(() => body.destroy(new Error('reset'))));
  const { providers } = scriptedProviders(() => eventStream(body));
  const outcome = await ask(providers, 'CUSTOM', question('llama3'));
  expect(outcome).toMatchObject({ text: '<th', error: { code: 'STREAM_CUT' } });
});

describe('silence', () => {
  const deadlines = { connectMs: 1_000, silenceBeforeTextMs: 20, silenceAfterTextMs: 20, totalMs: 1_000 };
  const some = data({ choices: [{ delta: { content: 'Well' } }] });
  const finish = data({ choices: [{ delta: {}, finish_reason: 'stop' }] });

  test.each<[string, string[], object]>([
    ['before the first word', [], { text: '', error: { code: 'TIMEOUT' } }],
    ['in the middle', [some], { text: 'Well', error: { code: 'TIMEOUT' } }],
    ['after the end', [some, finish], { text: 'Well', error: null, end: { finishReason: 'STOP' } }],
  ])('%s of a stream is borne for so long', async (_title, events, outcome) => {
    const { providers } = scriptedProviders(() => eventStream(neverEnding(events)), { deadlines });
    expect(await ask(providers, 'CUSTOM', question('llama3'))).toMatchObject(outcome);
  });

  test('silence of a provider is not the only limit: a stream that only keeps itself alive ends as well', async () => {
    const patient = { ...deadlines, silenceBeforeTextMs: 1_000, totalMs: 30 };
    const { providers } = scriptedProviders(() => eventStream(neverEnding([': alive\n\n'])), {
      deadlines: patient,
    });
    expect(await ask(providers, 'CUSTOM', question('llama3'))).toMatchObject({ error: { code: 'TIMEOUT' } });
  });
});

test('a complete answer stays complete when its connection breaks before [DONE]', async () => {
  const body = neverEnding([data({ choices: [{ delta: { content: 'All' }, finish_reason: 'stop' }] })]);
  body.once('data', () => setImmediate(() => body.destroy(new Error('reset'))));
  const { providers } = scriptedProviders(() => eventStream(body));
  expect(await ask(providers, 'OPENAI', question(CHAT_MODEL))).toMatchObject({ text: 'All', error: null });
});

test('a stream is not read beyond its end mark', async () => {
  const late = data({ choices: [{ delta: { content: ' and more' } }] });
  const { providers } = scriptedProviders(() =>
    eventStream([
      data({ choices: [{ delta: { content: 'All' }, finish_reason: 'stop' }] }),
      'data: [DONE]\n\n',
      late,
    ]),
  );
  expect((await ask(providers, 'OPENAI', question(CHAT_MODEL))).text).toBe('All');
});

test('an exception of the sink ends the answer and is passed on as it is', async () => {
  const { providers } = scriptedProviders(() => eventStream(STREAMS[0]?.events ?? []));
  const full = new Error('enough');
  const answer = providers.OPENAI.answer(callOf(providers, 'OPENAI'), question(CHAT_MODEL), {
    text: () => {
      throw full;
    },
    reasoning: () => {},
    citation: () => {},
    usage: () => {},
    keep: () => {},
  });
  await expect(answer).rejects.toBe(full);
});

test('an aborted call throws the reason it was aborted with', async () => {
  const abort = new AbortController();
  const reason = new Error('stopped by its author');
  abort.abort(reason);
  const { providers } = scriptedProviders(() => eventStream(STREAMS[0]?.events ?? []));
  const { error } = await ask(providers, 'OPENAI', question(CHAT_MODEL), { signal: abort.signal });
  expect(error).toBe(reason);
});

/** A body that sends the events and then nothing more, not even its end. */
function neverEnding(events: string[]): Readable {
  const body = new Readable({ read() {} });
  for (const event of events) body.push(Buffer.from(event));
  return body;
}

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}
