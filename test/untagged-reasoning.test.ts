import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { separateReasoning } from '../src/providers/wire/bare-think.ts';
import { ask, question, scriptedProviders } from './fixtures/ask.ts';
import { eventStream } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';
import { PIECES } from './fixtures/wire-events.ts';
import { type Respond, startWires, type Wires } from './kit/wires.ts';

/** Some chat templates write the opening tag of a model's reasoning into the prompt, so that only the closing one is written. */

let wires: Wires;
beforeAll(async () => {
  wires = await startWires();
});
afterAll(() => wires[Symbol.asyncDispose]());

const { text, finish } = PIECES.custom;

function streamOf(...events: string[]): Respond {
  return (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.join(''));
}

const PIECES_OF_IT = ['The user greets me. ', 'I greet back.\n</th', 'ink>\n\nHello', '!'].map(text);

test('is kept as reasoning, and the end of the answer corrects what its reader was shown', async () => {
  const answer = await wires.ask('custom', streamOf(...PIECES_OF_IT, finish('stop')));
  expect(answer).toMatchObject({
    status: 'COMPLETE',
    text: 'Hello!',
    reasoning: 'The user greets me. I greet back.',
  });
  expect(['', 'The user greets me. I greet back.\n</think>\n\nHello!']).toContain(answer.shown);
});

test('is kept as reasoning of an answer that is cut', async () => {
  expect(await wires.ask('custom', streamOf(...PIECES_OF_IT))).toMatchObject({
    status: 'FAILED',
    text: 'Hello!',
    reasoning: 'The user greets me. I greet back.',
  });
});

test('alone is no answer', async () => {
  expect(
    await wires.ask('custom', streamOf(...PIECES_OF_IT.slice(0, 2), text('ink>\n'), finish('stop'))),
  ).toMatchObject({
    status: 'FAILED',
    code: 'EMPTY_ANSWER',
    text: '',
  });
});

test('moves the sources that the text names with it', async () => {
  const source = { url: 'https://mice.example/', title: 'Mice', start_index: 44, end_index: 49 };
  const cited = data({
    choices: [{ delta: { annotations: [{ type: 'url_citation', url_citation: source }] } }],
  });
  const answer = await wires.ask('custom', streamOf(...PIECES_OF_IT, cited, finish('stop')));
  expect(answer.citations).toEqual([{ url: source.url, title: 'Mice', startOffset: 0, endOffset: 5 }]);
});

describe('untagged reasoning is separated from an answer about such tags', () => {
  const fence = '```';
  test.each([
    ['Hm.\n</think>\n\nHello!', 'Hm.', 'Hello!'],
    ['Hm.</think>Hello!', 'Hm.', 'Hello!'],
    ['Hm. </think> Hello!', 'Hm.', 'Hello!'],
    ['</think>\n\nHello!', '', 'Hello!'],
    ['One.\n</think>\nTwo.\n</think>\nThree.', 'One.\n</think>\nTwo.', 'Three.'],
    ['The tag `</think>` is meant.\n</think>\nYes.', 'The tag `</think>` is meant.', 'Yes.'],
    ['嗯。</think>你好', '嗯。', '你好'],
    ['Hm.\n</thinking>\nHello!', 'Hm.', 'Hello!'],
    ['Hm.\n[/THINK]Hello!', 'Hm.', 'Hello!'],
    ['Hm.\n◁/think▷Hello!', 'Hm.', 'Hello!'],
    [`${fence}js\na()\n${fence}\nHm.\n</think>\nHello!`, `${fence}js\na()\n${fence}\nHm.`, 'Hello!'],
  ])('%j begins with it', (said, reasoning, rest) => {
    expect(separateReasoning('CUSTOM', { text: said, reasoning: '' })).toEqual({ text: rest, reasoning });
  });

  test.each([
    'It ends with `</think>`.\nThen the answer comes.',
    'Models write </think> when they are done.',
    'The last tag is </think>.',
    'It is called "</think>" there.',
    'The closing tag (</think>) is enough.',
    'Use **</think>** at the end.',
    'A pair: <think>Hm.</think> Hello.',
    'A pair:\n<think>\nHm.\n</think>\nHello.',
    `See:\n${fence}\nHm.\n</think>\nHello\n${fence}\nThat is all.`,
    '~~~xml\n</think>\n~~~',
    'No tag at all.',
  ])('%j does not', (said) => {
    expect(separateReasoning('CUSTOM', { text: said, reasoning: '' })).toEqual({ text: said, reasoning: '' });
  });

  test('every tag is text for a provider that separates its reasoning', () => {
    const said = { text: 'Hm.\n</think>\nHello!', reasoning: '' };
    expect(separateReasoning('OPENAI', said)).toEqual(said);
  });

  test('untagged reasoning is separated in time that is linear in the text', () => {
    const said = { text: '</think>. '.repeat(400_000), reasoning: '' };
    const startedAt = performance.now();
    separateReasoning('CUSTOM', said);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

test.each([
  ['<thinking>\nHm.\n</thinking>\n\nHello!', ['\nHm.\n'], 'Hello!'],
  ['<thought>Hm.</thought>Hello!', ['Hm.'], 'Hello!'],
  ['[THINK]Hm.[/THINK]Hello!', ['Hm.'], 'Hello!'],
  ['◁think▷Hm.◁/think▷Hello!', ['Hm.'], 'Hello!'],
  ['<thinking> is a tag.', [], '<thinking> is a tag.'],
])('tags of other models are read at the start of an answer: %j', async (said, reasoning, rest) => {
  for (const size of [1, 3, 100]) {
    const pieces = said.match(new RegExp(`[^]{1,${size}}`, 'gu')) ?? [];
    const { providers } = scriptedProviders(() => eventStream([...pieces.map(text), finish('stop')]));
    expect(await ask(providers, 'CUSTOM', question('m'))).toMatchObject({
      text: rest,
      reasoning,
      error: null,
    });
  }
});
