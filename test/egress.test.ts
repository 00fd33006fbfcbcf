import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type LookupFunction,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { checkBaseUrl, ForbiddenAddressError, isPublicAddress } from '../src/providers/http/address.ts';
import {
  createEgress,
  type Egress,
  type EgressOptions,
  type EgressRequest,
} from '../src/providers/http/egress.ts';
import { readEvents } from '../src/providers/http/sse.ts';
import { FORBIDDEN_ADDRESSES, FORBIDDEN_URLS, PUBLIC_ADDRESSES } from './fixtures/forbidden-addresses.ts';
import { eventually } from './kit/eventually.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const { close } of opened.splice(0).reverse()) await close();
});

describe('what is sent', () => {
  test('a server sees the headers that the caller gave and a fixed few, nothing else', async () => {
    const { port, requests } = await openServer((_request, response) => response.end('ok'));
    const response = await openEgress(port).request({
      ...callOf(port),
      method: 'POST',
      url: `http://127.0.0.1:${port}/v1/chat/completions?alt=sse`,
      headers: { authorization: 'Bearer k', 'content-type': 'application/json' },
      body: '{"häh":1}',
    });
    expect([response.status, await text(response.body)]).toEqual([200, 'ok']);
    expect(requests[0]).toMatchObject({
      method: 'POST',
      url: '/v1/chat/completions?alt=sse',
      httpVersion: '1.1',
    });
    expect(requests[0]?.rawHeaders).toEqual([
      ...['host', `127.0.0.1:${port}`],
      ...['connection', 'keep-alive'],
      ...['authorization', 'Bearer k'],
      ...['content-type', 'application/json'],
      ...['accept-encoding', 'identity'],
      ...['user-agent', 'latchkey'],
      ...['content-length', '10'],
    ]);
  });

  test('a proxy named in the environment is not used', async () => {
    const { port } = await openServer((_request, response) => response.end('direct'));
    const proxy = await openServer((_request, response) => response.end('proxied'));
    process.env.HTTP_PROXY = `http://127.0.0.1:${proxy.port}`;
    try {
      const response = await openEgress(port).request(callOf(port));
      expect(await text(response.body)).toBe('direct');
      expect(proxy.requests).toHaveLength(0);
    } finally {
      delete process.env.HTTP_PROXY;
    }
  });

  test('a redirect is returned, never followed', async () => {
    const { port, requests } = await openServer((request, response) => {
      const { port } = request.socket.address() as AddressInfo;
      response.writeHead(307, { location: `http://127.0.0.1:${port}/elsewhere` }).end();
    });
    const response = await openEgress(port).request(callOf(port));
    response.body.resume();
    expect(response.status).toBe(307);
    await once(response.body, 'close');
    expect(requests.map((request) => request.url)).toEqual(['/']);
  });
});

describe('where it may be sent', () => {
  test(`${FORBIDDEN_URLS.length} spellings of forbidden addresses are refused without a lookup`, async () => {
    const lookedUp: string[] = [];
    const lookup: LookupFunction = (hostname, _options, callback) => {
      lookedUp.push(hostname);
      callback(new Error('no lookups here'), []);
    };
    const egress = openEgress(0, { lookup });
    expect(FORBIDDEN_URLS.length).toBeGreaterThanOrEqual(60);
    for (const url of FORBIDDEN_URLS) {
      await expect(egress.request({ ...callOf(0), url }), url).rejects.toBeInstanceOf(ForbiddenAddressError);
      expect(() => checkBaseUrl(url, []), url).toThrow(ForbiddenAddressError);
    }
    expect(lookedUp).toEqual([]);
  });

  test('public addresses are distinguished from all others', () => {
    expect(PUBLIC_ADDRESSES.filter((address) => !isPublicAddress(address))).toEqual([]);
    expect(FORBIDDEN_ADDRESSES.filter(isPublicAddress)).toEqual([]);
    expect(['', 'localhost', '127.1', '[::1]', '1.1.1.1:443'].filter(isPublicAddress)).toEqual([]);
  });

  test('a public name that leads to a private address is refused, also when only one of its addresses is private', async () => {
    for (const address of FORBIDDEN_ADDRESSES) {
      const egress = openEgress(0, { lookup: leadsTo('1.1.1.1', address) });
      const refused = egress.request({ ...callOf(0), url: 'https://llm.example.com/v1' });
      await expect(refused, address).rejects.toBeInstanceOf(ForbiddenAddressError);
    }
  });

  test('a name that leads elsewhere between the check and the dial is refused before a byte is sent', async () => {
    const { port, sockets } = await openTcpServer();
    const received: string[] = [];
    const egress = openEgress(0, {
      lookup: (_hostname, _options, callback) => {
        let readings = 0;
        const address = {
          family: 4,
          get address() {
            return readings++ === 0 ? '1.1.1.1' : '127.0.0.1';
          },
        };
        callback(null, [address]);
      },
    });
    const refused = egress.request({ ...callOf(0), url: `https://llm.example.com:${port}/v1` });
    await expect(refused).rejects.toBeInstanceOf(ForbiddenAddressError);
    const socket = await sockets.next();
    socket.on('data', (chunk) => received.push(String(chunk)));
    await once(socket.resume(), 'close');
    expect(received).toEqual([]);
  });

  test('a private host is reached if the operator allows exactly this host and port', async () => {
    const { port } = await openServer((_request, response) => response.end('ok'));
    const call = { ...callOf(port), url: `http://127.0.0.1:${port}/` };
    const allowed = await openEgress(port).request(call);
    expect(await text(allowed.body)).toBe('ok');
    await expect(openEgress(port + 1).request(call)).rejects.toBeInstanceOf(ForbiddenAddressError);
    await expect(openEgress(port, { allowedPrivateHosts: ['127.0.0.1'] }).request(call)).rejects.toThrow(
      'https://',
    );
  });

  test('a URL that the operator configured is reached without being allowed', async () => {
    const { port } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(0);
    const response = await egress.request({ ...callOf(port), isTrusted: true });
    expect(await text(response.body)).toBe('ok');
    await expect(egress.request(callOf(port))).rejects.toBeInstanceOf(ForbiddenAddressError);
  });

  test('a forbidden address counts as a network failure of an answer', () => {
    expect(new ForbiddenAddressError('…').code).toBe('NETWORK');
  });
});

describe('a CUSTOM base URL', () => {
  test.each([
    ['https://llm.example.com/v1', 'https://llm.example.com/v1'],
    ['https://llm.example.com', 'https://llm.example.com'],
    ['https://LLM.Example.COM./v1//', 'https://llm.example.com/v1'],
    ['https://llm.example.com:443/', 'https://llm.example.com'],
    [' https://llm.example.com:8443/a/../b/ ', 'https://llm.example.com:8443/b'],
    ['https://bücher.example/v1', 'https://xn--bcher-kva.example/v1'],
    ['https://8.8.8.8/v1', 'https://8.8.8.8/v1'],
    ['http://ollama:11434/v1/', 'http://ollama:11434/v1'],
    ['http://nas.local', 'http://nas.local'],
    ['http://[::1]:8080/v1', 'http://[::1]:8080/v1'],
  ])('%s is stored as %s', (input, stored) => {
    expect(checkBaseUrl(input, ['ollama:11434', 'nas.local:80', '[::1]:8080'])).toBe(stored);
  });

  test.each([
    ['llm.example.com/v1', 'This is not a URL. Write it like https://api.example.com/v1.'],
    ['https://llm.example.com/v1?key=1', 'The base URL must not have a query. Remove it from the "?" on.'],
    [
      'https://u:p@llm.example.com',
      'The URL must not have a user name or password. Put the secret into the key.',
    ],
    [`https://llm.example.com/${'a'.repeat(2048)}`, 'The base URL is too long.'],
  ])('a CUSTOM base URL is refused with a sentence where it is wrong (%#)', (input, sentence) => {
    expect(() => checkBaseUrl(input, [])).toThrow(new ForbiddenAddressError(sentence));
  });
});

describe('connections', () => {
  test('provider connections are kept for an owner and never shared with another', async () => {
    const { port, requests } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    for (const tenantId of ['ws_a', 'ws_a', 'ws_b', 'ws_a', 'ws_b']) {
      const response = await egress.request({ ...callOf(port), tenantId });
      response.body.resume();
      await once(response.body, 'close');
    }
    const ports = requests.map((request) => request.socket.remotePort);
    expect(new Set(ports).size).toBe(2);
    expect([ports[1], ports[3]]).toEqual([ports[0], ports[0]]);
    expect(ports[4]).toBe(ports[2]);
  });

  test('a trusted connection does not serve an untrusted request', async () => {
    const { port, requests } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    for (const isTrusted of [true, false]) {
      const response = await egress.request({ ...callOf(port), isTrusted });
      response.body.resume();
      await once(response.body, 'close');
    }
    expect(new Set(requests.map((request) => request.socket.remotePort)).size).toBe(2);
  });

  test('provider connections of owners long gone are closed, so that their number is bounded', async () => {
    const { port, server } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    for (let owner = 0; owner < 300; owner++) {
      const response = await egress.request({ ...callOf(port), tenantId: `ws_${owner}` });
      response.body.resume();
      await once(response.body, 'close');
    }
    expect(await countConnections(server)).toBeLessThanOrEqual(257);
  });
});

describe('a connection made ahead', () => {
  test('serves the next request, and is the only one', async () => {
    const { port, server, requests } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    for (let time = 0; time < 2; time++) egress.connectAhead(callOf(port));
    const socket = await connectedAhead(egress, server, callOf(port));
    for (let time = 0; time < 2; time++) {
      expect(await answerOf(egress, callOf(port))).toBe('ok');
      egress.connectAhead(callOf(port)); // one is free, so there is nothing to do
    }
    expect(requests.map((request) => request.socket.remotePort)).toEqual([
      socket.remotePort,
      socket.remotePort,
    ]);
    expect(await countConnections(server)).toBe(1);
  });

  test('is taken over by a request that comes while it is being made', async () => {
    const { port, server } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    egress.connectAhead(callOf(port));
    expect(await answerOf(egress, callOf(port))).toBe('ok');
    expect(await countConnections(server)).toBe(1);
  });

  test('serves no other owner', async () => {
    const { port, requests, server } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    const socket = await connectedAhead(egress, server, callOf(port));
    await answerOf(egress, { ...callOf(port), tenantId: 'ws_b' });
    expect(requests[0]?.socket.remotePort).not.toBe(socket.remotePort);
  });

  test('is replaced if the server has ended it, or said something before it was asked', async () => {
    const smuggled = 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nplanted';
    for (const spoil of [
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.write(smuggled),
    ]) {
      const { port, server } = await openServer((_request, response) => response.end('asked'));
      const egress = openEgress(port);
      const socket = await connectedAhead(egress, server, callOf(port));
      const closed = once(socket, 'close');
      spoil(socket);
      await closed;
      expect(await answerOf(egress, callOf(port))).toBe('asked');
      const again = once(server, 'connection');
      egress.connectAhead({ ...callOf(port), tenantId: 'ws_b' });
      await again;
    }
  });

  test('that is still being made when a request comes gives it its own deadline, not another one', async () => {
    let dialled = 0;
    const egress = openEgress(0, { connectTimeoutMs: 50, lookup: () => void dialled++ });
    const call = { ...callOf(0), url: 'https://llm.example.com/v1' };
    egress.connectAhead(call);
    await expect(egress.request(call)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(dialled).toBe(1);
  });

  test('does not decide how the next request fails', async () => {
    const { port, close } = await openServer(() => undefined);
    await close();
    const egress = openEgress(port);
    egress.connectAhead(callOf(port));
    await expect(egress.request(callOf(port))).rejects.toMatchObject({ code: 'NETWORK' });
  });

  test('is not made to a forbidden address', async () => {
    const { port, server } = await openServer(() => undefined);
    const egress = openEgress(0, { lookup: leadsTo('127.0.0.1') });
    egress.connectAhead({ ...callOf(port), url: 'http://127.0.0.1' });
    egress.connectAhead({ ...callOf(port), url: `https://llm.example.com:${port}/v1` });
    const refused = egress.request({ ...callOf(port), url: `https://llm.example.com:${port}/v1` });
    await expect(refused).rejects.toBeInstanceOf(ForbiddenAddressError);
    expect(await countConnections(server)).toBe(0);
  });

  test('is ended with the egress, and when its owner is long gone', async () => {
    const { port, server } = await openServer((_request, response) => response.end('ok'));
    const egress = openEgress(port);
    const first = await connectedAhead(egress, server, callOf(port));
    const evicted = once(first, 'close');
    for (let owner = 0; owner < 256; owner++)
      egress.connectAhead({ ...callOf(port), tenantId: `ws_${owner}` });
    await evicted;
    await egress.close();
    egress.connectAhead(callOf(port));
    await eventually('no connection', async () => (await countConnections(server)) === 0 || undefined);
  });
});

describe('a stream', () => {
  test('a stream that is read to its last event leaves the connection for the next call', async () => {
    const { port, requests } = await openServer((_request, response) => {
      response.write('data: 1\n\ndata: [DONE]\n\n', () => response.end());
    });
    const egress = openEgress(port);
    for (let round = 0; round < 2; round++) {
      const { body } = await egress.request(callOf(port));
      const closed = once(body, 'close');
      await readEvents(body, patient(), ({ data }) => (data === '[DONE]' ? 'end' : undefined));
      await closed;
      // The client takes the connection back after it has reported the end.
      await setImmediate();
    }
    expect(new Set(requests.map((request) => request.socket.remotePort)).size).toBe(1);
  });

  test.each(['chunked', 'content-length'])(
    'a stream that the server cuts off is STREAM_CUT (%s)',
    async (length) => {
      const { port } = await openServer((_request, response) => {
        if (length === 'content-length') response.setHeader('content-length', 100);
        response.write('data: 1\n\n', () => response.destroy());
      });
      const { body } = await openEgress(port).request(callOf(port));
      const events: string[] = [];
      const reading = readEvents(body, patient(), ({ data }) => void events.push(data));
      await expect(reading).rejects.toMatchObject({ name: 'ProviderError', code: 'STREAM_CUT' });
      expect(events).toEqual(['1']);
    },
  );

  test('a stream whose reader throws closes the socket at the server', async () => {
    const { port, arrived } = await openServer((_request, response) => void response.write('data: 1\n\n'));
    const { body } = await openEgress(port).request(callOf(port));
    const [request] = await arrived;
    const closed = once(request.socket, 'close');
    const reading = readEvents(body, patient(), () => {
      throw new Error('no more');
    });
    await expect(reading).rejects.toThrow('no more');
    await closed;
  });
});

describe('an end', () => {
  test('an abort before the headers rejects with its reason and closes the socket at the server', async () => {
    const { port, arrived } = await openServer(() => undefined);
    const abort = new AbortController();
    const pending = openEgress(port).request({ ...callOf(port), signal: abort.signal });
    const [request] = await arrived;
    const closed = once(request.socket, 'close');
    abort.abort(new Error('stop'));
    await expect(pending).rejects.toThrow('stop');
    await closed;
  });

  test('an abort within the body ends the body and closes the socket at the server', async () => {
    const { port, arrived } = await openServer((_request, response) => void response.write('first'));
    const abort = new AbortController();
    const response = await openEgress(port).request({ ...callOf(port), signal: abort.signal });
    const [request] = await arrived;
    const closed = once(request.socket, 'close');
    const failed = text(response.body);
    abort.abort(new Error('stop'));
    await expect(failed).rejects.toThrow('stop');
    await closed;
  });

  test('an aborted signal sends nothing', async () => {
    const { port, requests } = await openServer((_request, response) => response.end('ok'));
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(openEgress(port).request({ ...callOf(port), signal })).rejects.toThrow('stop');
    expect(requests).toHaveLength(0);
  });

  test('headers that do not come in time are a TIMEOUT, and the socket is closed', async () => {
    const { port, arrived } = await openServer(() => undefined);
    const pending = openEgress(port).request({ ...callOf(port), headersTimeoutMs: 50 });
    const failed = expect(pending).rejects.toMatchObject({ name: 'ProviderError', code: 'TIMEOUT' });
    const [request] = await arrived;
    await Promise.all([failed, once(request.socket, 'close')]);
  });

  test('a connection that does not come about in time is a TIMEOUT: no answer of the name server', async () => {
    const egress = openEgress(0, { connectTimeoutMs: 50, lookup: () => undefined });
    const pending = egress.request({ ...callOf(0), url: 'https://llm.example.com' });
    await expect(pending).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('a connection that does not come about in time is a TIMEOUT: no TLS handshake', async () => {
    const { port } = await openTcpServer();
    const egress = openEgress(0, { connectTimeoutMs: 50, allowedPrivateHosts: [`127.0.0.1:${port}`] });
    const pending = egress.request({ ...callOf(0), url: `https://127.0.0.1:${port}` });
    await expect(pending).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('a refused connection and an unknown name are NETWORK failures', async () => {
    const { port, close } = await openServer(() => undefined);
    await close();
    await expect(openEgress(port).request(callOf(port))).rejects.toMatchObject({ code: 'NETWORK' });
    const lookup: LookupFunction = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' }), []);
    const pending = openEgress(0, { lookup }).request({ ...callOf(0), url: 'https://llm.example.com' });
    await expect(pending).rejects.toMatchObject({ name: 'ProviderError', code: 'NETWORK' });
  });

  test('a server that hangs up without a word is a NETWORK failure', async () => {
    const { port } = await openServer((request) => void request.socket.destroy());
    await expect(openEgress(port).request(callOf(port))).rejects.toMatchObject({ code: 'NETWORK' });
  });

  test('a server that does not speak HTTP is a PROVIDER_ERROR', async () => {
    const { port } = await openTcpServer((socket) =>
      socket.once('data', () => socket.end('220 smtp.example.com ESMTP\r\n')),
    );
    await expect(openEgress(port).request(callOf(port))).rejects.toMatchObject({ code: 'PROVIDER_ERROR' });
  });

  test('close ends requests under way and refuses new ones', async () => {
    const { port, arrived } = await openServer(() => undefined);
    const egress = openEgress(port);
    const failed = expect(egress.request(callOf(port))).rejects.toMatchObject({ code: 'NETWORK' });
    await arrived;
    await egress.close();
    await failed;
    await expect(egress.request(callOf(port))).rejects.toMatchObject({ code: 'NETWORK' });
  });
});

test('no other file of the product makes outgoing requests', () => {
  const src = join(import.meta.dirname, '..', 'src');
  const found = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('simulator'))
    .flatMap((file) => waysOut(readFileSync(join(src, file), 'utf8')).map((way) => `${file}: ${way}`));
  expect(found.filter((way) => !ALLOWED_WAYS_OUT.includes(way)).sort()).toEqual([]);
  expect(found).toContain('providers/http/egress.ts: undici');
});

test('the search for other ways out finds them', () => {
  expect(waysOut("import { request } from 'undici';")).toEqual(['undici']);
  expect(waysOut("import {\n  get,\n} from 'node:https';")).toEqual(['https']);
  expect(waysOut("const { connect } = await import('net');")).toEqual(['net']);
  expect(waysOut('await fetch(url); await globalThis.fetch(url)')).toEqual(['fetch', 'fetch']);
  expect(waysOut("new WebSocket('wss://x')")).toEqual(['WebSocket']);
  expect(waysOut("import { isIP, Socket } from 'node:net';")).toEqual(['net']);
  expect(waysOut("import type { Server } from 'node:http'; yoga.fetch(request); prefetch(1)")).toEqual([]);
  expect(waysOut("import { BlockList, isIP, type Socket } from 'node:net';")).toEqual([]);
});

/** Files that open a server or speak to their own. */
const ALLOWED_WAYS_OUT = [
  'providers/http/egress.ts: undici',
  'server/http.ts: http',
  'server/waiting.ts: http',
  'db/connection.ts: net',
  'demo/client.ts: fetch',
  'files/s3-client.ts: fetch', // to the operator's own bucket
  'command/operator-client.ts: fetch',
  'mail.ts: nodemailer', // to the operator's own mail server
];

/** Modules and functions through which a file could reach the network. */
function waysOut(source: string): string[] {
  const imports = source
    .replaceAll(HARMLESS_IMPORT, '')
    .matchAll(
      /(?:from|import|require)[\s(]*['"](?:node:)?(undici|https?|http2|net|tls|dgram|nodemailer)['"]/g,
    );
  const calls = source.matchAll(/(?:(?<![.\w])|globalThis\.)(fetch)\(|new (WebSocket|EventSource)\(/g);
  return [...imports, ...calls].map((match) => match[1] ?? match[2] ?? '');
}

/** Types, and what tells addresses apart. */
const HARMLESS_IMPORT =
  /import (?:type [^;]*|\{(?:\s*(?:type \w+|BlockList|isIP|isIPv4|isIPv6),?)+\s*\}) from '[^']*';/g;

function openEgress(port: number, options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allowedPrivateHosts: [`127.0.0.1:${port}`], ...options });
  opened.push(egress);
  return egress;
}

async function connectedAhead(egress: Egress, server: Server, call: EgressRequest): Promise<Socket> {
  const connected = once(server, 'connection') as Promise<[Socket]>;
  egress.connectAhead(call);
  const [socket] = await connected;
  return socket;
}

async function answerOf(egress: Egress, request: EgressRequest): Promise<string> {
  const { body } = await egress.request(request);
  const answer = await text(body);
  await setImmediate(); // only then does the connection count as free
  return answer;
}

function patient() {
  return { signal: new AbortController().signal, silenceMs: () => 60_000 };
}

function callOf(port: number): EgressRequest {
  const { signal } = new AbortController();
  return { tenantId: 'ws_a', method: 'GET', url: `http://127.0.0.1:${port}/`, headers: {}, signal };
}

async function openServer(answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  const arrived = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const port = await listen(server);
  async function close() {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  opened.push({ close });
  return { port, server, requests, arrived, close };
}

async function openTcpServer(answer: (socket: Socket) => unknown = () => undefined) {
  const connected: Socket[] = [];
  const server = createTcpServer((socket) => {
    connected.push(socket);
    answer(socket.on('error', () => undefined));
  });
  const port = await listen(server);
  opened.push({
    close: async () => {
      for (const socket of connected) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  const sockets = {
    next: async () => connected[0] ?? ((await once(server, 'connection')) as [Socket])[0],
  };
  return { port, sockets };
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function countConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

function leadsTo(...addresses: string[]): LookupFunction {
  return (_hostname, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
}
