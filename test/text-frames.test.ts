import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { writeTextFrames } from '../src/server/text-frames.ts';

const server = createServer();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
let wire: Duplex;
let serverSide: WebSocket;
let client: WebSocket;

beforeAll(async () => {
  const opened = new Promise<void>((resolve) => {
    server.on('upgrade', (request, socket, head) => {
      wire = socket;
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        serverSide = webSocket;
        resolve();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await opened;
  await once(client, 'open');
});

afterAll(() => {
  client.terminate();
  server.close();
});

test('a client reads frames as they were written, whatever their lengths and between those of ws', async () => {
  const lengths = fc.oneof(fc.nat(300), fc.constantFrom(125, 126, 65_535, 65_536, 21_845, 200_000));
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.tuple(fc.constantFrom('x', 'é', '鍵', '🔑'), lengths).map(([unit, length]) => unit.repeat(length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(text, { maxLength: 5 }), { maxLength: 4 }), async (writes) => {
      const expected = writes.flatMap((texts, index) => [...texts, `${index} by ws`]);
      const received = receive(expected.length);
      writes.forEach((texts, index) => {
        writeTextFrames(wire, texts);
        serverSide.send(`${index} by ws`);
      });
      expect(await received).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

test('frames that wait for the network are not overwritten by later ones', async () => {
  client.pause();
  const texts = Array.from({ length: 4_000 }, (_none, index) => `${index} `.repeat(500));
  for (const text of texts) writeTextFrames(wire, [text]);
  expect(wire.writableLength).toBeGreaterThan(0);
  const received = receive(texts.length);
  client.resume();
  expect(await received).toEqual(texts);
});

function receive(count: number): Promise<string[]> {
  const received: string[] = [];
  return new Promise((resolve) => {
    if (count === 0) resolve(received);
    client.on('message', function listen(data) {
      received.push(String(data));
      if (received.length < count) return;
      client.off('message', listen);
      resolve(received);
    });
  });
}
