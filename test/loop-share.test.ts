import { describe, expect, test } from 'vitest';
import { createLoopShare } from '../src/providers/http/loop-share.ts';
import { DOCUMENT_LIMITS, parseJson } from '../src/providers/json.ts';

/** Provider-controlled work: what a server sends decides how long it takes, and must not decide how long others wait. */

describe('JSON of a provider', () => {
  const nested = (depth: number) => `{"text":"[[[","a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const listOf = (count: number, entry: (index: number) => string) =>
    `[${Array.from({ length: count }, (_, index) => entry(index)).join()}]`;

  test.each<[string, string]>([
    ['half a million brackets', nested(500_000)],
    ['brackets that are never closed', '['.repeat(1_000_000)],
    ['objects in objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['half a million numbers', listOf(500_000, () => '1')],
    ['empty arrays', listOf(300_000, () => '[]')],
    ['a field of another name each', `{${listOf(90_000, (index) => `"k${index}":1`).slice(1, -1)}}`],
    ['the same field again and again', `{${listOf(90_000, () => '"a":1').slice(1, -1)}}`],
    ['objects of other fields each', listOf(60_000, (index) => `{"k${index}":1}`)],
  ])('JSON of a provider is not parsed where it is made to be slow: %s', (_what, text) => {
    expect(parseJson(text)).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['a mebibyte of text', { text: 'x'.repeat(1_000_000) }],
    ['text full of brackets, quotes and backslashes', { text: '[{"\\,:'.repeat(100_000), more: ['\\', '"'] }],
    ['sixty levels', JSON.parse(nested(60))],
    ['hundreds of sources', Array.from({ length: 900 }, (_, id) => ({ id, url: 'u', title: 't', start: 1 }))],
  ])('JSON of a provider is parsed where it is as providers write it: %s', (_what, value) => {
    expect(parseJson(JSON.stringify(value))).toEqual(value);
  });

  test('JSON of a provider may be longer in a list of models', () => {
    const text = listOf(100_000, (index) => `{"id":"m${index}"}`);
    expect(parseJson(text)).toBeUndefined();
    expect(parseJson(text, DOCUMENT_LIMITS)).toHaveLength(100_000);
    expect(parseJson('['.repeat(10_485_760), DOCUMENT_LIMITS)).toBeUndefined();
  });
});

describe('the event loop', () => {
  /** Keeps the thread busy. */
  function work(ms: number): void {
    const end = performance.now() + ms;
    while (performance.now() < end);
  }

  test('the event loop is not held by an owner beyond an allowance, and others go on at once meanwhile', async () => {
    const share = createLoopShare();
    let left = 100;
    const done = Promise.withResolvers<void>();
    const isDone = share.run('heavy', () => {
      work(5);
      left -= 1;
      if (left === 0) done.resolve();
      return left > 0;
    });
    expect(isDone).toBe(false);
    expect(left).toBeGreaterThan(80);

    let othersDone = 0;
    while (left > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      if (share.run('light', () => false)) othersDone += 1;
    }
    await done.promise;
    // A turn is one step here, so another owner had one at least after nearly every step.
    expect(othersDone).toBeGreaterThan(50);
  });

  test('the event loop is taken in turns by those beyond their allowance', async () => {
    const share = createLoopShare();
    const turns: string[] = [];
    const all = ['a', 'b'].flatMap((owner) =>
      [1, 2].map((stream) => {
        const done = Promise.withResolvers<void>();
        let left = 60; // about half of it within the allowance of the first owner
        share.run(owner, () => {
          work(2);
          turns.push(owner + stream);
          left -= 1;
          if (left === 0) done.resolve();
          return left > 0;
        });
        return done.promise;
      }),
    );
    await Promise.all(all);
    const middle = turns.slice(80, 160);
    for (const stream of ['a1', 'a2', 'b1', 'b2'])
      expect(middle.filter((turn) => turn === stream).length).toBeGreaterThan(10);
  });
});
