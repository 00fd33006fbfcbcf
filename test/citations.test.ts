import { afterAll, beforeAll, expect, test } from 'vitest';
import { data } from './fixtures/streams.ts';
import { PIECES } from './fixtures/wire-events.ts';
import { startWires, type Wires } from './kit/wires.ts';

let wires: Wires;
beforeAll(async () => {
  wires = await startWires();
});
afterAll(() => wires[Symbol.asyncDispose]());

const TEXT = 'Twelve mice.';

/** The sources that an answer of one sentence is saved with after the provider has named these. */
async function savedOf(sources: object[]) {
  const annotations = sources.map((url_citation) => ({ type: 'url_citation', url_citation }));
  const events = [
    PIECES.chat.text(TEXT),
    data({ choices: [{ delta: { annotations } }] }),
    PIECES.chat.finish('stop'),
  ];
  const { citations, ...ended } = await wires.ask('chat', (response) =>
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.join('')),
  );
  expect(ended).toMatchObject({ status: 'COMPLETE', text: TEXT });
  return citations;
}

test('a source is kept only if its address is one of the web that shows what it is', async () => {
  const good = [
    'https://mice.example/',
    'HTTP://mice.example/a?b=c#d',
    'https://мыши.example/ü',
    'https://mice.example/a b',
  ];
  const bad = [
    'javascript:alert(1)',
    'https://',
    'https://user:password@mice.example/',
    'https://user@mice.example/',
    'https://mice.example/\nInjected: yes',
    'https://mice.example/\u2028',
    'https://mice.example/\u202egpj.exe',
    'https://mice.example/\u2066a',
    'https://mice.example/\u200b',
    'https://mice.example/\u0000',
    `https://mice.example/${'x'.repeat(5_000)}`,
  ];
  const saved = await savedOf([...bad, ...good].map((url) => ({ url, title: 'Mice' })));
  expect(saved.map(({ url }) => url)).toEqual(good);
});

test('offsets of a source lie inside the text and in order, or are left out', async () => {
  const places: [number, number][] = [
    [0, 6],
    [0, TEXT.length],
    [3, 3],
    [6, 0],
    [0, TEXT.length + 1],
    [50, 60],
    [1.5, 3],
  ];
  const url = (index: number) => `https://mice.example/${index}`;
  const saved = await savedOf(
    places.map(([start_index, end_index], index) => ({ url: url(index), title: '', start_index, end_index })),
  );
  expect(saved.map(({ startOffset, endOffset }) => [startOffset, endOffset])).toEqual([
    [0, 6],
    [0, 12],
    [3, 3],
    ...Array(4).fill([null, null]),
  ]);
});

test('titles of sources are one line that is written in one direction', async () => {
  const [source] = await savedOf([{ url: 'https://mice.example/', title: 'Mice\n\u202eand\u0007 rats' }]);
  expect(source?.title).toBe('Mice and rats');
});
