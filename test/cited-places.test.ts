import { describe, expect, test } from 'vitest';
import type { ProviderName } from '../src/providers/provider.ts';
import { ask, CHAT_MODEL, question, scriptedProviders } from './fixtures/ask.ts';
import { eventStream } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';

/** The words that each source of an answer is cited for; null for a source without a place. */
async function citedWords(
  provider: ProviderName,
  model: string,
  events: object[],
): Promise<(string | null)[]> {
  const { providers } = scriptedProviders(() => eventStream(events.map(data)));
  const { text, citations, error } = await ask(providers, provider, question(model));
  expect(error).toBeNull();
  return citations.map(({ startOffset, endOffset }) =>
    startOffset === null || endOffset === null ? null : text.slice(startOffset, endOffset),
  );
}

describe('the place of a citation in OpenAI’s Responses', () => {
  const url = 'https://mice.example/';
  const LINK = `([Mice](${url}))`;
  const TEXT = `Mice 🐭🐭 like cheese ${LINK}.`;
  const place = (start_index: number, length = LINK.length) => ({
    type: 'response.output_text.annotation.added',
    output_index: 1,
    annotation: { type: 'url_citation', url, title: 'Mice', start_index, end_index: start_index + length },
  });
  const said = (text: string, ...places: object[]) => [
    { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'I look it up. 🐀' },
    { type: 'response.output_text.delta', output_index: 1, content_index: 0, delta: text },
    ...places,
    { type: 'response.completed', response: { status: 'completed' } },
  ];

  test('the place is on the cited words, whether the server counts code units or code points', async () => {
    const units = TEXT.indexOf(LINK);
    const points = Array.from(TEXT.slice(0, units)).length;
    expect(points).toBe(units - 2);
    const events = said(TEXT, place(units), place(points));
    expect(await citedWords('OPENAI', 'gpt-6-sol', events)).toEqual([LINK, LINK]);
  });

  test('a place where the two counts differ and neither holds the link is left out', async () => {
    expect(await citedWords('OPENAI', 'gpt-6-sol', said(TEXT, place(6, 10)))).toEqual([null]);
  });

  test('a place in a text of plain characters is taken as it is', async () => {
    const events = said('Mice like cheese.', place(5, 4));
    expect(await citedWords('OPENAI', 'gpt-6-sol', events)).toEqual(['like']);
  });
});

describe('the place of a citation of Gemini', () => {
  const sources = [
    { web: { uri: 'https://mice.example/', title: 'mice.example' } },
    { web: { uri: 'https://rats.example/', title: 'rats.example' } },
  ];
  const answer = (groundingSupports: object[]) => [
    { candidates: [{ content: { parts: [{ text: 'Mäuse 🐭 mögen' }] }, groundingMetadata: {} }] },
    { candidates: [{ content: { parts: [{ text: ' Käse. Ratten auch.' }] } }] },
    {
      candidates: [
        { finishReason: 'STOP', groundingMetadata: { groundingChunks: sources, groundingSupports } },
      ],
    },
  ];
  const support = (text: string, startIndex: number | undefined, ...groundingChunkIndices: number[]) => ({
    segment: { startIndex, endIndex: (startIndex ?? 0) + Buffer.byteLength(text), text },
    groundingChunkIndices,
  });

  test('bytes become UTF-16 code units, and a source is cited once for each place', async () => {
    const second = Buffer.byteLength('Mäuse 🐭 mögen Käse. ');
    const supports = [support('Mäuse 🐭 mögen Käse.', undefined, 0), support('Ratten auch.', second, 0, 1)];
    expect(await citedWords('GEMINI', 'gemini-3.8-flash', answer(supports))).toEqual([
      'Mäuse 🐭 mögen Käse.',
      'Ratten auch.',
      'Ratten auch.',
    ]);
  });

  test('a place whose words are elsewhere is found by the words, or left out if they are not there', async () => {
    const supports = [support('Käse', 3, 0), support('Hunde', 3, 1)];
    expect(await citedWords('GEMINI', 'gemini-3.8-flash', answer(supports))).toEqual(['Käse', null]);
  });
});

const TOOL_STREAMS: [ProviderName, string, object[]][] = [
  [
    'OPENAI',
    CHAT_MODEL,
    [
      { choices: [{ delta: { content: 'One' } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { name: 'draw', arguments: '{' } }] } }] },
      {
        choices: [
          {
            delta: {
              content: [
                { type: 'image_url', image_url: { url: 'data:' } },
                { type: 'text', text: ' two' },
              ],
            },
          },
        ],
      },
      { choices: [{ delta: { audio: { data: 'UklG', transcript: ' three.' } } }] },
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
    ],
  ],
  [
    'OPENAI',
    'gpt-6-sol',
    [
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'One two' },
      { type: 'response.function_call_arguments.delta', output_index: 1, delta: '{' },
      { type: 'response.image_generation_call.partial_image', output_index: 1, partial_image_b64: 'UklG' },
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: ' three.' },
      { type: 'response.completed', response: { status: 'completed' } },
    ],
  ],
  [
    'ANTHROPIC',
    'claude-opus-5-5',
    [
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'One two' } },
      {
        type: 'content_block_start',
        index: 1,
        content_block: { type: 'server_tool_use', id: 't', name: 'web_search' },
      },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{' } },
      { type: 'content_block_delta', index: 2, delta: { type: 'text_delta', text: ' three.' } },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
      { type: 'message_stop' },
    ],
  ],
  [
    'GEMINI',
    'gemini-3.8-flash',
    [
      {
        candidates: [
          { content: { parts: [{ text: 'One' }, { inlineData: { mimeType: 'image/png', data: 'UklG' } }] } },
        ],
      },
      {
        candidates: [
          {
            content: { parts: [{ functionCall: { name: 'draw', args: {} } }, { text: ' two three.' }] },
            finishReason: 'STOP',
          },
        ],
      },
    ],
  ],
];

test.each(TOOL_STREAMS)(
  'a stream of %s (%s) with images, sound and tool calls loses none of its text',
  async (provider, model, events) => {
    const { providers } = scriptedProviders(() => eventStream(events.map(data)));
    expect(await ask(providers, provider, question(model))).toMatchObject({
      text: 'One two three.',
      error: null,
    });
  },
);
