import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventually } from './kit/eventually.ts';
import { captureLog } from './kit/log.ts';
import { type Person, post } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { useSite } from './kit/site.ts';

/** More than the buffers of both kernels hold together. */
const RESPONSE_MIB = 16;
const MESSAGE_LENGTH = 256 * 1024;

const site = useSite({
  LATCHKEY_WRITE_TIMEOUT_SECONDS: '2',
  LATCHKEY_MAX_UNREAD_MIB_PER_PERSON: '20',
  LATCHKEY_MAX_UNREAD_MIB: '24',
});
afterEach(() => vi.restoreAllMocks());

let query: string;
beforeAll(async () => {
  query = await largeQuery(site.ada);
});

describe('a client that does not read', () => {
  test.each(['application/json', 'text/event-stream'])(
    'what it asked for has its connection cut, and a client that reads is given all of it: %s',
    async (accept) => {
      const lines = captureLog();
      const socket = await askUnread(site.ada, accept, query);
      await eventually('it is cut', () => lines.some((line) => line.includes('is not read was cut')), 15_000);
      const length = await readRest(socket);
      expect(length).toBeLessThan(RESPONSE_MIB * 2 ** 20);
      expect(await eventually('room', () => lengthOf(site.ada, query))).toBeGreaterThan(
        RESPONSE_MIB * 2 ** 20,
      );
    },
    60_000,
  );

  test('what it asked for over a socket has that cut', async () => {
    const lines = captureLog();
    const opened = await openFor(site.ada);
    opened.socket.pause();
    opened.send({ type: 'subscribe', id: '1', payload: { query } });
    await eventually('it is cut', () => lines.some((line) => line.includes('is not read was cut')), 15_000);
    opened.socket.resume();
    expect(await opened.closed).toMatch(/^1006/);
  }, 60_000);

  test('one response is given no second one, over whichever connection, until it has room again', async () => {
    const bob = await site.server.signUp('Bob');
    const bobsQuery = await largeQuery(bob);
    const [socket, opened] = [await askUnread(bob, 'application/json', bobsQuery), await openFor(bob)];
    const select = vi.spyOn(site.server.app.db, 'select');
    const second = await post(bob.url, bob.token, { query: bobsQuery });
    // It was refused before the database read, which would delay all other people.
    expect(select.mock.calls.filter(([fields]) => 'text' in (fields ?? {}))).toEqual([]);
    select.mockRestore();
    expect(second.errors?.[0]).toMatchObject({
      message:
        'Too much of what you asked for earlier waits to be read. Read it or close its connections, then try again.',
      extensions: { code: 'RATE_LIMITED', retryAt: expect.any(String) },
    });
    opened.send({ type: 'subscribe', id: '1', payload: { query: bobsQuery } });
    const refusal = (await opened.message('next', '1')).payload as { errors?: object[] };
    expect(refusal.errors?.[0]).toMatchObject({ extensions: { code: 'RATE_LIMITED' } });
    expect(await eventually('another person', () => lengthOf(site.ada, query))).toBeGreaterThan(RESPONSE_MIB);
    socket.destroy();
    expect(await eventually('room', () => lengthOf(bob, bobsQuery))).toBeGreaterThan(RESPONSE_MIB * 2 ** 20);
    opened.socket.terminate();
  }, 60_000);

  test('a response makes room when the server as a whole holds too much', async () => {
    const people = await Promise.all(['Bob', 'Eve'].map((name) => site.server.signUp(name)));
    const queries = await Promise.all(people.map(largeQuery));
    const lines = captureLog();
    const sockets = await Promise.all(
      people.map((person, index) => askUnread(person, 'application/json', queries[index] ?? '')),
    );
    await eventually('one is cut', () => lines.some((line) => line.includes('"reason":"server"')), 15_000);
    for (const socket of sockets) socket.destroy();
  }, 60_000);
});

/** A query whose response is large: the same long message under many names. */
async function largeQuery(person: Person): Promise<string> {
  const { models } = await person.addKey();
  const { userMessage } = await person.ask('x'.repeat(MESSAGE_LENGTH), models.slice(0, 1));
  const aliases = Array.from({ length: 22 }, (_none, index) => `a${index}: text`).join(' ');
  const pieces = `... on Message { ${aliases} }`;
  return `{ nodes(ids: ["${userMessage.id}", "${userMessage.id}", "${userMessage.id}"]) { ${pieces} } }`;
}

async function lengthOf({ url, token }: Person, query: string): Promise<number | undefined> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const { length } = await response.text();
  return length > RESPONSE_MIB * 2 ** 20 ? length : undefined;
}

/** Sends a query and reads nothing but the first bytes of the response. */
async function askUnread({ url, token }: Person, accept: string, query: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port));
  socket.on('error', () => {});
  const body = JSON.stringify({ query });
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nContent-Type: application/json\r\n` +
      `Authorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await once(socket, 'readable');
  return socket;
}

/** How much still comes until the connection ends. */
async function readRest(socket: Socket): Promise<number> {
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    length += chunk.length;
  });
  if (!socket.closed) await once(socket, 'close');
  return length;
}
