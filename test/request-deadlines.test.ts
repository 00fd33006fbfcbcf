import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TIMEOUT_CHECK_MS } from '../src/server/policy.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** In the place of a minute. */
const SHORT_TIMEOUT_MS = 2_000;

let server: TestServer;
let ada: Person;

beforeAll(async () => {
  server = await startTestServer({}, { bodyTimeoutMs: SHORT_TIMEOUT_MS });
  ada = await server.signUp();
});
afterAll(() => server.close());

test.concurrent.each(['/graphql', '/api/auth/sign-in/email'])(
  'a body that trickles is cut off on time, however steadily it comes: %s',
  async (path) => {
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
