import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { data } from './fixtures/streams.ts';
import { PIECES } from './fixtures/wire-events.ts';
import { type Respond, startWires, type Wire, type Wires } from './kit/wires.ts';

let wires: Wires;
beforeAll(async () => {
  wires = await startWires();
});
afterAll(() => wires[Symbol.asyncDispose]());

/** The word with which each protocol ends an answer well. */
const WORDS = { chat: 'stop', messages: 'end_turn', 'generate-content': 'STOP', responses: 'completed' };
const ALL = Object.keys(WORDS) as (keyof typeof WORDS)[];

function begin(response: ServerResponse, said: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(said);
}

function streamOf(...events: string[]): Respond {
  return (response) => {
    begin(response, events.join(''));
    response.end();
  };
}

/** Writes something again and again, for as long as the other side listens. */
function repeat(response: ServerResponse, what: () => string | undefined): void {
  const timer = setInterval(() => {
    const next = what();
    if (next === undefined) response.end();
    else response.write(next);
  }, 50);
  response.on('close', () => clearInterval(timer));
}

describe('an answer whose finish word has come is COMPLETE', () => {
  const AFTERWARDS: Record<string, Respond> = {
    'a close': (response) => response.end(),
    'a reset': ({ socket }) => setImmediate(() => socket?.resetAndDestroy()),
    'nothing and no close': () => {},
    'pings without end': (response) => repeat(response, () => 'event: ping\ndata: {"type":"ping"}\n\n'),
    'comments without end': (response) => repeat(response, () => ': keep-alive\n\n'),
    'a line without end': (response) => repeat(response, () => 'x'),
    'data without end': (response) => repeat(response, () => `data: ${'x'.repeat(100_000)}`),
    'events that are no JSON': (response) => response.end('data: {"no\n\n'.repeat(9)),
    'an error': (response) => response.end(data({ error: { message: 'The stream was closed.', code: 500 } })),
  };

  test.for(ALL)(
    'an answer whose finish word has come is COMPLETE over %s, whatever comes afterwards',
    async (wire) => {
      const { text, finish } = PIECES[wire];
      const answers = await Promise.all(
        Object.entries(AFTERWARDS).map(async ([what, afterwards]) => {
          const {
            status,
            text: saved,
            finishReason,
          } = await wires.ask(wire, (response) => {
            begin(response, text('All of it.') + finish(WORDS[wire]));
            afterwards(response);
          });
          return [what, `${status} ${finishReason} ${saved}`];
        }),
      );
      expect(Object.fromEntries(answers)).toEqual(
        Object.fromEntries(Object.keys(AFTERWARDS).map((what) => [what, 'COMPLETE STOP All of it.'])),
      );
    },
  );

  test('an answer whose finish word has come is COMPLETE and has all of its text where every event carries the word', async () => {
    const words = Array.from({ length: 60 }, (_, index) => `${index} `);
    const slowly =
      (eventOf: (text: string) => object): Respond =>
      (response) => {
        const rest = words.map((text) => data(eventOf(text)));
        begin(response, '');
        repeat(response, () => rest.shift());
      };
    const [chat, gemini] = await Promise.all([
      wires.ask(
        'chat',
        slowly((content) => ({ choices: [{ delta: { content }, finish_reason: 'stop' }] })),
      ),
      wires.ask(
        'generate-content',
        slowly((text) => ({ candidates: [{ content: { parts: [{ text }] }, finishReason: 'STOP' }] })),
      ),
    ]);
    expect(chat).toMatchObject({ status: 'COMPLETE', text: words.join('') });
    expect(gemini).toMatchObject({ status: 'COMPLETE', text: words.join('') });
  });
});

test('half an answer is FAILED and keeps its text, whatever word or mark came in place of its end', async () => {
  const { chat, messages, responses, 'generate-content': gemini } = PIECES;
  const ends: [Wire, string, string][] = [
    ...['network_error', 'insufficient_system_resource', 'abort', 'ABORTED', 'cancelled', 'error'].map(
      (word): [Wire, string, string] => ['chat', word, chat.finish(word)],
    ),
    ...['engine_error', 'failed', 'timeout', 'time_limit', 'null', 'not_finished'].map(
      (word): [Wire, string, string] => ['chat', word, chat.finish(word)],
    ),
    ['chat', '[DONE] where every event had a place for the word', 'data: [DONE]\n\n'],
    ['messages', 'error', messages.finish('error')],
    ['messages', '[DONE]', 'data: [DONE]\n\n'],
    ['generate-content', 'MALFORMED_RESPONSE', gemini.finish('MALFORMED_RESPONSE')],
    ['generate-content', 'FINISH_REASON_UNSPECIFIED', gemini.finish('FINISH_REASON_UNSPECIFIED')],
    ['responses', 'network_error', responses.finish('network_error')],
    ['responses', 'cancelled', data({ type: 'response.cancelled', response: { status: 'cancelled' } })],
    ['responses', 'incomplete', data({ type: 'response.incomplete' })],
    ['responses', '[DONE]', 'data: [DONE]\n\n'],
  ];
  const outcomes: string[] = [];
  // A person may have sixteen answers written at once.
  for (const some of [ends.slice(0, 10), ends.slice(10)])
    outcomes.push(
      ...(await Promise.all(
        some.map(async ([wire, what, last]) => {
          const respond = streamOf(PIECES[wire].text('Half of the ans'), last, 'data: [DONE]\n\n');
          const { status, code, text } = await wires.ask(wire, respond);
          return `${wire}, ${what}: ${status} ${code} ${text}`;
        }),
      )),
    );
  expect(outcomes).toMatchInlineSnapshot(`
    [
      "chat, network_error: FAILED STREAM_CUT Half of the ans",
      "chat, insufficient_system_resource: FAILED PROVIDER_OVERLOADED Half of the ans",
      "chat, abort: FAILED STREAM_CUT Half of the ans",
      "chat, ABORTED: FAILED STREAM_CUT Half of the ans",
      "chat, cancelled: FAILED STREAM_CUT Half of the ans",
      "chat, error: FAILED PROVIDER_ERROR Half of the ans",
      "chat, engine_error: FAILED PROVIDER_ERROR Half of the ans",
      "chat, failed: FAILED PROVIDER_ERROR Half of the ans",
      "chat, timeout: FAILED TIMEOUT Half of the ans",
      "chat, time_limit: FAILED TIMEOUT Half of the ans",
      "chat, null: FAILED STREAM_CUT Half of the ans",
      "chat, not_finished: FAILED STREAM_CUT Half of the ans",
      "chat, [DONE] where every event had a place for the word: FAILED STREAM_CUT Half of the ans",
      "messages, error: FAILED PROVIDER_ERROR Half of the ans",
      "messages, [DONE]: FAILED STREAM_CUT Half of the ans",
      "generate-content, MALFORMED_RESPONSE: FAILED PROVIDER_ERROR Half of the ans",
      "generate-content, FINISH_REASON_UNSPECIFIED: FAILED STREAM_CUT Half of the ans",
      "responses, network_error: FAILED STREAM_CUT Half of the ans",
      "responses, cancelled: FAILED STREAM_CUT Half of the ans",
      "responses, incomplete: FAILED STREAM_CUT Half of the ans",
      "responses, [DONE]: FAILED STREAM_CUT Half of the ans",
    ]
  `);
});

test('[DONE] alone ends the answer of a server whose events have no place for a finish word', async () => {
  const said = data({ choices: [{ delta: { content: 'All of it.' } }] });
  expect(await wires.ask('custom', streamOf(said, 'data: [DONE]\n\n'))).toMatchObject({
    status: 'COMPLETE',
    text: 'All of it.',
    providerFinishReason: '[DONE]',
  });
});

test('finish words of other vendors over chat have our meaning and are kept as they came', async () => {
  const words = [
    ...['stop', 'STOP', 'end_turn', 'eos_token', 'MAX_TOKENS', 'max-tokens', 'model_context_window_exceeded'],
    ...['SAFETY', 'PROHIBITED_CONTENT', 'BLOCKLIST', 'sensitive', 'content_filtered', 'guardrail_intervened'],
    ...['tool_calls', 'something_new'],
  ];
  const { text, finish } = PIECES.chat;
  const meanings = await Promise.all(
    words.map(async (word) => {
      const answer = await wires.ask('chat', streamOf(text('So'), finish(word)));
      expect(answer).toMatchObject({ status: 'COMPLETE', text: 'So', providerFinishReason: word });
      return `${word}: ${answer.finishReason}`;
    }),
  );
  expect(meanings).toMatchInlineSnapshot(`
    [
      "stop: STOP",
      "STOP: STOP",
      "end_turn: STOP",
      "eos_token: STOP",
      "MAX_TOKENS: LENGTH",
      "max-tokens: LENGTH",
      "model_context_window_exceeded: LENGTH",
      "SAFETY: CONTENT_FILTER",
      "PROHIBITED_CONTENT: CONTENT_FILTER",
      "BLOCKLIST: CONTENT_FILTER",
      "sensitive: CONTENT_FILTER",
      "content_filtered: CONTENT_FILTER",
      "guardrail_intervened: CONTENT_FILTER",
      "tool_calls: OTHER",
      "something_new: OTHER",
    ]
  `);
});
