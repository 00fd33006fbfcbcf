import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Heartbeats } from '../src/execution/heartbeats.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => vi.useRealTimers());

test('each of many connections is called once in every period, spread over it, with one timer for all', () => {
  const heartbeats = new Heartbeats(12_000);
  const connections = Array.from({ length: 120 }, () => ({ beats: 0, beat: () => {} }));
  for (const [index, connection] of connections.entries()) {
    connection.beat = () => void connection.beats++;
    heartbeats.add(connection);
    if (index % 10 === 9) vi.advanceTimersByTime(1_000);
  }
  expect(vi.getTimerCount()).toBe(1);
  const before = connections.map(({ beats }) => beats);
  vi.advanceTimersByTime(1_000);
  expect(connections.filter(({ beats }, index) => beats > (before[index] ?? 0))).toHaveLength(10);
  vi.advanceTimersByTime(11_000);
  expect(connections.map(({ beats }, index) => beats - (before[index] ?? 0))).toEqual(
    connections.map(() => 1),
  );
});

test('a connection that left is not called, and without connections there is no timer', () => {
  const heartbeats = new Heartbeats(12_000);
  const connection = { beat: vi.fn() };
  heartbeats.add(connection);
  heartbeats.remove(connection);
  heartbeats.remove(connection);
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(30_000);
  expect(connection.beat).not.toHaveBeenCalled();
});
