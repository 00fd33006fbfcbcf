import { expect, test } from 'vitest';
import { moveDurationMs } from '../src/server/move-clients.ts';
import { follow } from './kit/answer.ts';
import { startFleet } from './kit/fleet.ts';
import { newThread } from './kit/thread.ts';

test('a server that is stopped while it writes no answer sends its clients to the others bit by bit', {
  timeout: 30_000,
}, async () => {
  await using fleet = await startFleet();
  const [a] = fleet.servers;
  const ada = await a.signUp();
  const { id: threadId } = await newThread(ada);
  const closes: { code: number; atMs: number }[] = [];
  for (let number = 0; number < CLIENTS; number++) {
    const socket = ada.socket();
    socket.on('closed', (event) => {
      closes.push({ code: (event as CloseEvent).code, atMs: performance.now() });
      void socket.dispose(); // or it would come back to the same server
    });
    const events = follow(socket, 'thread-events', { threadId });
    await events.next();
    events.next().catch(() => {}); // what it would have been given ends with the socket
  }
  const beganAtMs = performance.now();
  await a.drain();
  const afterMs = closes.map(({ atMs }) => atMs - beganAtMs);
  expect(closes.map(({ code }) => code)).toEqual(Array.from({ length: CLIENTS }, () => 1012));
  expect(Math.min(...afterMs)).toBeGreaterThan(900);
  expect(Math.max(...afterMs)).toBeGreaterThan(3_000);
  const most = Math.max(
    ...afterMs.map((from) => afterMs.filter((ms) => ms >= from && ms < from + 200).length),
  );
  expect(most).toBeLessThan(CLIENTS / 2);
});

const CLIENTS = 20;

test('the more clients a server has, the longer it takes to move them, but no longer than half of its time', () => {
  expect([0, 200, 2_000, 100_000].map((clients) => moveDurationMs(clients, 120_000))).toEqual([
    5_000, 5_000, 20_000, 60_000,
  ]);
  expect(moveDurationMs(2_000, 6_000)).toBe(3_000);
});
