import { once } from 'node:events';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS, TIMEOUT_CHECK_MS } from '../src/server/policy.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** In the place of a minute. */
const SHORT_TIMEOUT_MS = 2_000;

let server: TestServer;
let ada: Person;
let listening: http.Server | undefined;

beforeAll(async () => {
  const { createServer } = http;
  let last: http.Server | undefined;
  const keep = (...given: Parameters<typeof createServer>) => {
    last = createServer(...given);
    return last;
  };
  Object.assign(http, { createServer: keep });
  syncBuiltinESMExports();
  try {
    server = await startTestServer();
  } finally {
    Object.assign(http, { createServer });
    syncBuiltinESMExports();
  }
  listening = last;
  ada = await server.signUp();
});
afterAll(() => server.close());

test('the deadlines of requests are those of the policy', () => {
  expect(listening?.headersTimeout).toBe(HEADERS_TIMEOUT_MS);
  expect(listening?.requestTimeout).toBe(REQUEST_TIMEOUT_MS);
});

test.concurrent.each(['/graphql', '/api/auth/sign-in/email'])(
  'a body that trickles is cut off on time, however steadily it comes: %s',
  async (path) => {
    Object.assign(listening ?? {}, { requestTimeout: SHORT_TIMEOUT_MS, headersTimeout: SHORT_TIMEOUT_MS });
    const { host, port } = new URL(server.url);
    const socket = connect(Number(port)).setEncoding('latin1');
    await once(socket, 'connect');
    const beganAt = performance.now();
    const head = [
      `POST ${path} HTTP/1.1`,
      `Host: ${host}`,
      `Origin: ${server.url}`,
      `Authorization: Bearer ${ada.token}`,
      'Content-Type: application/json',
      'Content-Length: 10000',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n{"query":"`);
    const drip = setInterval(() => socket.write('a'), 100);
    let answer = '';
    for await (const chunk of socket.on('error', () => {})) answer += chunk;
    clearInterval(drip);
    const tookMs = performance.now() - beganAt;
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(tookMs).toBeGreaterThan(SHORT_TIMEOUT_MS - 500);
    expect(tookMs).toBeLessThan(SHORT_TIMEOUT_MS + TIMEOUT_CHECK_MS + 3_000);
  },
);

test('a request after a stalled one is served', async () => {
  expect(await ada.run('viewer')).toMatchObject({ user: { id: ada.id } });
});
