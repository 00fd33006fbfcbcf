import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FlushClock, type Flushed } from '../src/answers/flush-clock.ts';

/** An answer that counts its flushes, and the clock that it asks. */
let clock: FlushClock;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  clock = new FlushClock();
});
afterEach(() => vi.useRealTimers());

test('the first piece after a pause is flushed at the end of the turn in which it came', () => {
  const answer = newAnswer();
  answer.ask();
  expect(answer.flushes).toBe(0);
  vi.advanceTimersByTime(0);
  expect(answer.flushes).toBe(1);
  vi.advanceTimersByTime(20);
  answer.ask();
  vi.advanceTimersByTime(0);
  expect(answer.flushes).toBe(2);
});

test('pieces that come faster than the window are flushed together', () => {
  const answer = newAnswer();
  for (let ms = 0; ms < 400; ms += 2) {
    answer.ask();
    vi.advanceTimersByTime(2);
  }
  expect(answer.flushes).toBeGreaterThan(25);
  expect(answer.flushes).toBeLessThan(60);
});

test('an answer with many readers is flushed more rarely, but never later than two frames of a screen', () => {
  const [few, many] = [newAnswer(1), newAnswer(100_000)];
  let latestMs = 0;
  for (let ms = 0; ms < 400; ms += 2) {
    few.ask();
    many.ask();
    vi.advanceTimersByTime(2);
    latestMs = Math.max(latestMs, performance.now() - many.flushedAtMs);
  }
  expect(many.flushes).toBeLessThan(few.flushes / 2);
  expect(latestMs).toBeLessThanOrEqual(36);
});

test('much text does not wait for the end of the window', () => {
  const answer = newAnswer();
  answer.ask();
  vi.advanceTimersByTime(0);
  answer.ask();
  vi.advanceTimersByTime(0);
  expect(answer.flushes).toBe(1);
  clock.hasten(answer);
  vi.advanceTimersByTime(0);
  expect(answer.flushes).toBe(2);
});

test('an answer that is due soon is not held up by one that is due late', () => {
  const [late, soon] = [newAnswer(100_000), newAnswer(1)];
  for (const answer of [late, soon]) answer.ask();
  vi.advanceTimersByTime(0);
  for (const answer of [late, soon]) answer.ask();
  vi.advanceTimersByTime(12);
  expect([late.flushes, soon.flushes]).toEqual([1, 2]);
  vi.advanceTimersByTime(30);
  expect([late.flushes, soon.flushes]).toEqual([2, 2]);
  expect(vi.getTimerCount()).toBe(0);
});

function newAnswer(readers = 1) {
  let isAsked = false;
  const answer = {
    flushes: 0,
    flushedAtMs: Number.NEGATIVE_INFINITY,
    ask() {
      if (isAsked) return;
      isAsked = true;
      clock.ask(answer, answer.flushedAtMs, readers);
    },
    flush() {
      isAsked = false;
      answer.flushes += 1;
      answer.flushedAtMs = performance.now();
    },
  } satisfies Flushed & Record<string, unknown>;
  return answer;
}
