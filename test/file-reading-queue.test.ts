import { addAbortListener } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openQueue } from './kit/file-reader.ts';

/** What a test has begun, in order, and how to end it. */
function openWork() {
  const queue = openQueue();
  const begun: string[] = [];
  const endings = new Map<string, () => void>();
  return {
    queue,
    begun,
    async add(name: string, signal = new AbortController().signal): Promise<void> {
      const userId = name.slice(0, 1);
      await queue.run(userId, signal, async (running) => {
        begun.push(name);
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        endings.set(name, resolve);
        using _listener = addAbortListener(running, () => reject(running.reason));
        await promise;
      });
    },
    /** Ends one, and resolves when what follows has begun. */
    async end(name: string): Promise<void> {
      endings.get(name)?.();
      await setImmediate();
    },
  };
}

test('two files are read at a time, of different persons, who take turns', async () => {
  const { add, begun, end } = openWork();
  const all = Promise.all(['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) => add(name)));
  await setImmediate();
  expect(begun).toEqual(['a1', 'b1']);
  await end('a1');
  // Now it is the turn of the person who waits for a first file, not of the one who came before with many.
  expect(begun).toEqual(['a1', 'b1', 'c1']);
  await end('b1');
  expect(begun.slice(3)).toEqual(['a2']);
  await end('c1');
  expect(begun.slice(4)).toEqual(['b2']);
  await end('a2');
  expect(begun.slice(5)).toEqual(['a3']);
  await end('b2');
  await end('a3');
  await all;
});

test('a person with many files leaves a place for others', async () => {
  const { add, begun, end } = openWork();
  const all = ['a1', 'a2'].map((name) => add(name));
  await setImmediate();
  expect(begun).toEqual(['a1']);
  all.push(add('b1'));
  await setImmediate();
  expect(begun).toEqual(['a1', 'b1']);
  for (const name of ['a1', 'b1', 'a2']) await end(name);
  await Promise.all(all);
});

test('one that is given up while it waits lets the next one begin, and is never begun', async () => {
  const { add, begun, end } = openWork();
  const stopping = new AbortController();
  const first = add('a1');
  const given = add('a2', stopping.signal);
  const next = add('a3');
  stopping.abort(new Error('given up'));
  await expect(given).rejects.toThrow('given up');
  await end('a1');
  expect(begun).toEqual(['a1', 'a3']);
  await end('a3');
  await Promise.all([first, next]);
});

test('one that fails lets the next one begin', async () => {
  const { queue, add, begun, end } = openWork();
  const failing = queue.run('a', new AbortController().signal, () => Promise.reject(new Error('failed')));
  const next = add('a1');
  await expect(failing).rejects.toThrow('failed');
  await setImmediate();
  expect(begun).toEqual(['a1']);
  await end('a1');
  await next;
});

test('a person with a hundred waiting files cannot add another, and others still can', async () => {
  const { queue, add, begun } = openWork();
  const waiting = Array.from({ length: 101 }, (_, index) => add(`a${index}`));
  const all = Promise.allSettled(waiting);
  await expect(add('a101')).rejects.toMatchObject({ name: 'ReadingFailedError', code: 'QUEUE_FULL' });
  const other = add('b1');
  await setImmediate();
  expect(begun).toEqual(['a0', 'b1']);
  const ended = expect(other).rejects.toMatchObject({ code: 'CLOSED' });
  await queue.close();
  await ended;
  await all;
});
