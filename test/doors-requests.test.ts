import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { HEADERS_TIMEOUT_MS, TIMEOUT_CHECK_MS } from '../src/server/policy.ts';
import { documentOf } from './kit/person.ts';
import { useSite } from './kit/site.ts';

const site = useSite();

describe('an offer to upgrade an ordinary request', () => {
  const body = '{"query":"{ __typename }"}';
  test.each([
    [
      'h2c of `curl --http2`',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk',
    ],
    [
      'h2c of Java’s HttpClient',
      'Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c',
    ],
    ['TLS', 'Connection: Upgrade\r\nUpgrade: TLS/1.2'],
    ['two protocols', 'Connection: Upgrade\r\nUpgrade: h2c, websocket'],
    ['a protocol without a connection option', 'Upgrade: h2c'],
  ])(
    'an offer to upgrade an ordinary request is ignored, and the request is answered: %s',
    async (_what, offer) => {
      const socket = connect(Number(new URL(site.server.url).port)).setEncoding('latin1');
      const head = `POST /graphql HTTP/1.1\r\nHost: x\r\n${offer}\r\nContent-Type: application/json`;
      socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const [answer] = await once(socket, 'data');
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\{"data":\{"__typename":"Query"\}\}$/s);
      socket.write(
        'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n',
      );
      const [next] = await once(socket, 'data');
      expect(next).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      socket.destroy();
    },
  );
});

describe('a subscription over HTTP', () => {
  const subscribe = (accept: string) =>
    fetch(`${site.server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${site.ada.token}`, accept },
      body: JSON.stringify({
        query: documentOf('workspace-events'),
        variables: { workspaceId: site.ada.workspaceId },
      }),
    });

  test('a subscription over HTTP is an event stream that no proxy on its way gathers or keeps', async () => {
    const response = await subscribe('text/event-stream');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
      'cache-control': 'no-store',
    });
    await response.body?.cancel();
  });

  test.each([
    'application/json',
    'application/graphql-response+json',
    'multipart/mixed;subscriptionSpec=1.0',
  ])(
    'a subscription over HTTP that accepts %s only is refused with the ways to follow it',
    async (accept) => {
      const response = await subscribe(accept);
      expect([response.status, response.headers.get('content-type')]).toEqual([
        406,
        'application/json; charset=utf-8',
      ]);
      const { errors } = (await response.json()) as { errors: { message: string; extensions: object }[] };
      expect(errors).toEqual([
        {
          message: expect.stringMatching(/"accept: text\/event-stream".*WebSocket/),
          extensions: { code: 'BAD_INPUT' },
        },
      ]);
    },
  );
});

test.concurrent.each([
  ['on a new connection', ''],
  ['on a connection that has been of use', 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'],
])(
  'headers that come too slowly are cut off on time, however steadily they come: %s',
  async (_where, before) => {
    const socket = connect(Number(new URL(site.server.url).port)).setEncoding('latin1');
    await once(socket, 'connect');
    if (before !== '') {
      socket.write(before);
      await once(socket, 'data');
    }
    const beganAt = performance.now();
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => socket.write('X-Drip: 1\r\n'), 200);
    let answer = '';
    for await (const chunk of socket.on('error', () => {})) answer += chunk;
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    const tookMs = performance.now() - beganAt;
    expect(tookMs).toBeGreaterThan(HEADERS_TIMEOUT_MS - 1_000);
    expect(tookMs).toBeLessThan(HEADERS_TIMEOUT_MS + TIMEOUT_CHECK_MS + 3_000);
  },
);
