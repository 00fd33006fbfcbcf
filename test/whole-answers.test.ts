import { describe, expect, test } from 'vitest';
import { askWire, codeOf } from './fixtures/ask.ts';
import { eventStream, json } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';
import { startWires, type Wire } from './kit/wires.ts';

const SOURCE = { url: 'https://mice.example/', title: 'Mice' };

/** Answers that came whole, and their usage, in the words of each protocol. All of them say `All at once.` */
const DOCUMENTS: [Wire, object, usage: object][] = [
  [
    'chat',
    {
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'All at once.', reasoning_content: 'Hm.' },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 },
    },
    { inputTokens: 5, outputTokens: 4 },
  ],
  [
    'messages',
    {
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.' },
        { type: 'text', text: 'All at ' },
        { type: 'text', text: 'once.' },
      ],
      stop_reason: 'end_turn',
      usage: { input_tokens: 5, output_tokens: 4, output_tokens_details: { thinking_tokens: 1 } },
    },
    { inputTokens: 5, outputTokens: 4, reasoningTokens: 1 },
  ],
  [
    'generate-content',
    {
      candidates: [
        {
          content: { parts: [{ text: 'Hm.', thought: true }, { text: 'All at once.' }], role: 'model' },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: { promptTokenCount: 3, toolUsePromptTokenCount: 2, candidatesTokenCount: 4 },
    },
    { inputTokens: 5, outputTokens: 4 },
  ],
  [
    'responses',
    {
      object: 'response',
      status: 'completed',
      error: null,
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'All at once.' }] },
      ],
      usage: { input_tokens: 5, output_tokens: 4 },
    },
    { inputTokens: 5, outputTokens: 4 },
  ],
];

describe('a whole answer in place of a stream', () => {
  const forms: Record<string, (document: object) => string> = {
    'one line': (document) => JSON.stringify(document),
    'several lines': (document) => JSON.stringify(document, null, 2),
    'an event': data,
  };
  test.for(DOCUMENTS)(
    'a whole answer in place of a stream is read over %s in every form',
    async ([wire, document, usage]) => {
      for (const form of Object.values(forms)) {
        for (const type of ['application/json', 'text/event-stream', 'text/plain']) {
          const response = { headers: { 'content-type': type }, body: form(document) };
          expect(await askWire(wire, response)).toMatchObject({
            text: 'All at once.',
            reasoning: ['Hm.'],
            usage,
            end: { finishReason: 'STOP' },
            error: null,
          });
        }
      }
    },
  );

  test('a whole answer in place of a stream is read over generate-content in a list of pieces', async () => {
    const pieces = [
      { candidates: [{ content: { parts: [{ text: 'All at ' }] } }] },
      { candidates: [{ content: { parts: [{ text: 'once.' }] }, finishReason: 'STOP' }] },
    ];
    const body = `[${pieces.map((piece) => JSON.stringify(piece, null, 2)).join('\n,\r\n')}]\n`;
    const response = { headers: { 'content-type': 'application/json' }, body };
    expect(await askWire('generate-content', response)).toMatchObject({ text: 'All at once.', error: null });
  });

  test('a whole answer in place of a stream needs no finish word over chat', async () => {
    const document = { choices: [{ message: { content: 'All at once.' }, finish_reason: null }] };
    expect(await askWire('custom', json(document))).toMatchObject({
      text: 'All at once.',
      end: { finishReason: 'OTHER' },
      error: null,
    });
  });

  test('a whole answer in place of a stream is not one before its end: a document that is cut off fails', async () => {
    for (const [wire, document] of DOCUMENTS) {
      const { text, error } = await askWire(wire, eventStream(JSON.stringify(document).slice(0, -1)));
      expect([codeOf(error), text]).toEqual(['STREAM_CUT', '']);
    }
  });

  test('a whole answer in place of a stream is asked for and paid for once', async () => {
    await using wires = await startWires();
    let asked = 0;
    const answer = await wires.ask('custom', (response) => {
      asked++;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(DOCUMENTS[0]?.[1]));
    });
    expect(answer).toMatchObject({ status: 'COMPLETE', text: 'All at once.', reasoning: 'Hm.' });
    expect(asked).toBe(1);
  }, 60_000);
});

describe('a text that a stream brings whole is read once', () => {
  const place = { output_index: 0, content_index: 0 };
  const content = {
    type: 'output_text',
    text: 'All at once.',
    annotations: [{ type: 'url_citation', ...SOURCE }],
  };
  const item = { type: 'message', role: 'assistant', content: [content] };
  const events = {
    'text done': { type: 'response.output_text.done', ...place, text: 'All at once.' },
    'part done': { type: 'response.content_part.done', ...place, part: content },
    'item done': { type: 'response.output_item.done', output_index: 0, item },
    refusal: { type: 'response.refusal.done', ...place, refusal: 'All at once.' },
  };
  const completed = { type: 'response.completed', response: { status: 'completed', output: [item] } };
  const bare = { type: 'response.completed', response: { status: 'completed' } };

  test('a text that a stream brings whole is read once over responses, in whichever event it comes, and in several', async () => {
    const streams: object[][] = [
      ...Object.values(events).map((event) => [event, bare]),
      [completed],
      [...Object.values(events), completed],
      [
        { type: 'response.output_text.delta', ...place, delta: 'All at once.' },
        ...Object.values(events),
        completed,
      ],
      [
        { type: 'response.output_text.delta', delta: 'All at once.' },
        { ...events['item done'], output_index: 3 },
        completed,
      ],
    ];
    for (const stream of streams) {
      const outcome = await askWire('responses', eventStream(stream.map(data)));
      expect(outcome).toMatchObject({ text: 'All at once.', end: { finishReason: 'STOP' }, error: null });
    }
  });

  test('a text that a stream brings whole is read once over messages, where a block begins with all of it', async () => {
    const stream = [
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'All at once.' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
    ];
    const outcome = await askWire('messages', eventStream(stream.map(data)));
    expect(outcome).toMatchObject({ text: 'All at once.', error: null });
  });

  test('a text that a stream brings whole is read once over chat, where the last event repeats the whole message', async () => {
    const stream = [
      { choices: [{ delta: { role: 'assistant', content: 'All at ' }, finish_reason: null }] },
      { choices: [{ delta: { content: 'once.' }, finish_reason: null }] },
      {
        object: 'chat.completion',
        choices: [{ message: { content: 'All at once.' }, finish_reason: 'stop' }],
      },
    ];
    for (const events of [stream, stream.slice(2)]) {
      const outcome = await askWire('chat', eventStream(events.map(data)));
      expect(outcome).toMatchObject({ text: 'All at once.', error: null });
    }
  });
});
