import { afterAll, beforeAll, expect, test } from 'vitest';
import { data } from './fixtures/streams.ts';
import { PIECES } from './fixtures/wire-events.ts';
import { rawBody } from './kit/api-key.ts';
import { startWires, type Wire, type Wires } from './kit/wires.ts';

let wires: Wires;
beforeAll(async () => {
  wires = await startWires();
});
afterAll(() => wires[Symbol.asyncDispose]());

const TEXT = 'Forty characters of an answer, no more. ';

/** What each protocol counts before an answer has ended; the output that it names is no count of the text. */
const EARLY: [Wire, object][] = [
  ['messages', { type: 'message_start', message: { usage: { input_tokens: 12, output_tokens: 1 } } }],
  ['chat', { choices: [], usage: { prompt_tokens: 12, completion_tokens: 1 } }],
  ['generate-content', { usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 1 } }],
];

test.for(EARLY)(
  'an answer that is cut over %s has its input counted and its output estimated',
  async ([wire, early]) => {
    const { id, status } = await wires.ask(wire, (response) =>
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end(data(early) + PIECES[wire].text(TEXT)),
    );
    expect(status).toBe('FAILED');
    const { data: found } = await rawBody(
      wires.person,
      `{ node(id: "${id}") { ... on Answer { usage { inputTokens outputTokens isEstimated } } } }`,
    );
    expect(found.node).toEqual({ usage: { inputTokens: 12, outputTokens: 10, isEstimated: true } });
  },
);

test('an answer that ended without text is billed as it was counted', async () => {
  const { id, code } = await wires.ask('chat', (response) =>
    response
      .writeHead(200, { 'content-type': 'text/event-stream' })
      .end(
        PIECES.chat.finish('stop') +
          data({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 300 } }),
      ),
  );
  expect(code).toBe('EMPTY_ANSWER');
  const { data: found } = await rawBody(
    wires.person,
    `{ node(id: "${id}") { ... on Answer { usage { inputTokens outputTokens isEstimated } } } }`,
  );
  expect(found.node).toEqual({ usage: { inputTokens: 12, outputTokens: 300, isEstimated: false } });
});

test('tokens that a provider wrote to its cache are part of the usage', async () => {
  const usage = {
    input_tokens: 2,
    cache_creation_input_tokens: 30,
    cache_read_input_tokens: 5,
    output_tokens: 9,
  };
  const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage };
  const { id } = await wires.ask('messages', (response) =>
    response
      .writeHead(200, { 'content-type': 'text/event-stream' })
      .end(PIECES.messages.text(TEXT) + data(end) + data({ type: 'message_stop' })),
  );
  const { data: found } = await rawBody(
    wires.person,
    `{ node(id: "${id}") { ... on Answer { usage { inputTokens cachedInputTokens cacheWriteTokens outputTokens } } } }`,
  );
  expect(found.node).toEqual({
    usage: { inputTokens: 37, cachedInputTokens: 5, cacheWriteTokens: 30, outputTokens: 9 },
  });
});
