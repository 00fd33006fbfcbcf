import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createEgress } from '../src/providers/http/egress.ts';
import { Base64Text, encodeJson } from '../src/providers/http/json-body.ts';
import type { AnswerRequest, FileAsBytes, SentFile } from '../src/providers/provider.ts';
import { createProviders, type Providers } from '../src/providers/registry.ts';
import { ask, codeOf, question } from './fixtures/ask.ts';
import { data } from './fixtures/streams.ts';
import { eventually } from './kit/eventually.ts';
import { captureLog } from './kit/log.ts';
import { usedMiB } from './kit/memory.ts';
import { say } from './kit/say.ts';
import { bytesFile, watchedFile } from './kit/sent-file.ts';

/** The bytes of files are read while a request is sent, and are closed however it ends. */

const MIB = 2 ** 20;
const PAUSE_BYTES = 8 * MIB; // more than the buffers on the way hold
const CANARY = 'canary of a file 7781';
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const { close } of opened.splice(0).reverse()) await close();
});

const DONE = data({ choices: [{ delta: { content: 'Seen.' }, finish_reason: 'stop' }] });

interface Received {
  lengthBytes: number;
  header: string | undefined;
  sha256: string;
  body: string;
}

interface Place {
  providers: Providers;
  /** Requests that were received whole. */
  received: Received[];
}

/** A provider that answers as the test says; one that reads everything and answers, unless it says otherwise. */
async function openProvider(
  answer?: (request: IncomingMessage, response: ServerResponse, number: number) => unknown,
  { silenceMs = 60_000, keepsBodies = true } = {},
): Promise<Place> {
  const received: Received[] = [];
  let number = 0;
  const server = createServer(async (request, response) => {
    number += 1;
    if (answer !== undefined) return void answer(request, response, number);
    const whole = await receive(request, keepsBodies).catch(() => null); // its sender has left
    if (whole === null) return;
    received.push(whole);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(DONE);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const egress = createEgress({ allowedPrivateHosts: [] });
  const deadlines = {
    connectMs: 10_000,
    silenceBeforeTextMs: silenceMs,
    silenceAfterTextMs: silenceMs,
    totalMs: 600_000,
  };
  const urls = { OPENAI: url, CUSTOM: url, ANTHROPIC: url };
  opened.push({
    async close() {
      await egress.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return { providers: createProviders({ egress, urls, deadlines }), received };
}

async function receive(request: IncomingMessage, keepsBody = true): Promise<Received> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    lengthBytes += chunk.length;
    if (keepsBody) chunks.push(chunk);
  }
  const header = request.headers['content-length'];
  return { lengthBytes, header, sha256: hash.digest('hex'), body: String(Buffer.concat(chunks)) };
}

function about(...files: SentFile[]): AnswerRequest {
  return question('model', { turns: [{ role: 'user', text: 'What is it?', files }] });
}

const picture = (bytes: Uint8Array, chunkBytes?: number) =>
  bytesFile('image', 'picture.png', bytes, chunkBytes === undefined ? {} : { chunkBytes });

describe('a body with files', () => {
  test('is the JSON of the whole document, byte for byte, however the files are cut into chunks', async () => {
    for (const length of [0, 1, 2, 3, 4, 49_151, 49_152, 49_153, 200_000]) {
      for (const chunkBytes of [1, 2, 7_777, 65_536, 300_000]) {
        if (chunkBytes <= 2 && length > 4) continue;
        const bytes = randomBytes(length);
        const file = picture(bytes, chunkBytes);
        const document = (url: unknown) => ({ text: 'ü "quoted" \ud800', list: [{ url }, { url }, 1, null] });
        const whole = JSON.stringify(document(`data:image/png;base64,${bytes.toString('base64')}`));
        const body = encodeJson(document(new Base64Text('data:image/png;base64,', file)));
        if (typeof body === 'string') throw new Error('a body with files is streamed');
        const pieces = await Array.fromAsync(body.read(new AbortController().signal));
        expect(Buffer.concat(pieces).equals(Buffer.from(whole))).toBe(true);
        expect(body.lengthBytes).toBe(Buffer.byteLength(whole));
        expect([file.opened, file.closed]).toEqual([2, 2]);
      }
    }
  });

  test('arrives with its exact length and the hash of the whole document', async () => {
    const { providers, received } = await openProvider();
    const bytes = randomBytes(3 * MIB + 1);
    const file = picture(bytes);
    expect(await ask(providers, 'CUSTOM', about(file))).toMatchObject({ text: 'Seen.', error: null });
    const [request] = received;
    const { messages } = JSON.parse(request?.body ?? '');
    expect(messages).toEqual([
      {
        role: 'user',
        content: [
          {
            type: 'image_url',
            image_url: { url: `data:image/png;base64,${bytes.toString('base64')}` },
          },
          { type: 'text', text: 'What is it?' },
        ],
      },
    ]);
    const whole = JSON.stringify(JSON.parse(request?.body ?? ''));
    expect(request).toMatchObject({
      header: String(Buffer.byteLength(whole)),
      lengthBytes: Buffer.byteLength(whole),
      sha256: createHash('sha256').update(whole).digest('hex'),
    });
    expect([file.opened, file.closed]).toEqual([1, 1]);
  });

  test('without files is one text, as before', () => {
    expect(encodeJson({ a: [{ b: 'c' }] })).toBe('{"a":[{"b":"c"}]}');
  });

  test('is read anew when a refused field is left out, and what was opened is closed', async () => {
    const bodies: Received[] = [];
    const { providers } = await openProvider(async (request, response, number) => {
      bodies.push(await receive(request));
      if (number === 1) response.writeHead(400).end('{"error":"no stream_options here"}');
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).end(DONE);
    });
    const file = picture(randomBytes(100_000));
    expect(await ask(providers, 'CUSTOM', about(file))).toMatchObject({ text: 'Seen.', error: null });
    expect([file.opened, file.closed]).toEqual([2, 2]);
    const [first, second] = bodies.map(({ body }) => JSON.parse(body));
    expect(second.messages).toEqual(first.messages);
    expect(second.stream_options).toBeUndefined();
  });

  test('that a server refuses before it has read it all is read no further, and the refusal counts', async () => {
    const { providers } = await openProvider((_request, response, number) => {
      if (number === 1) response.writeHead(400).end('{"error":"no stream_options here"}');
      else response.writeHead(401).end('{"error":{"message":"Invalid API key"}}');
    });
    const file = endless('image', 64 * MIB);
    expect(codeOf((await ask(providers, 'CUSTOM', about(file))).error)).toBe('INVALID_KEY');
    await eventually('both are closed', () => file.closed === 2 || undefined);
    expect(file.opened).toBe(2);
    expect(file.readBytes).toBeLessThan(48 * MIB);
  });
});

describe('a file that cannot be read', () => {
  const failing = (error: Error) =>
    watchedFile('image', 'secret name.png', 200_000, 'image/png', async function* () {
      yield randomBytes(70_000);
      throw error;
    });
  const reasons: [string, FileAsBytes, string][] = [
    ['fails', failing(Object.assign(new Error(CANARY), { code: 'EIO' })), 'Error EIO'],
    ['is shorter than it was said to be', { ...picture(randomBytes(9)), sizeBytes: 10 }, 'WRONG_LENGTH'],
    ['is longer than it was said to be', { ...picture(randomBytes(11)), sizeBytes: 10 }, 'WRONG_LENGTH'],
    [
      'is not there',
      {
        ...picture(randomBytes(10)),
        open() {
          throw new TypeError(CANARY);
        },
      },
      'TypeError',
    ],
  ];

  test.each(reasons)(
    'ends the call if it %s, and blames neither key nor provider',
    async (_why, file, logged) => {
      const { providers, received } = await openProvider();
      const written = captureLog();
      const { error } = await ask(providers, 'CUSTOM', about(file));
      expect(codeOf(error)).toBe('FILE_UNREADABLE');
      expect(error).toMatchObject({ status: null, providerText: null, retryAfterMs: null });
      expect(received.every(({ lengthBytes, header }) => lengthBytes !== Number(header))).toBe(true);
      const lines = written.join('\n');
      expect(lines).toContain('a file could not be read to be sent to a model');
      expect(lines).toContain(logged);
      for (const said of [lines, JSON.stringify(error), String(error), (error as Error).stack ?? ''])
        expect(said).not.toMatch(/canary|secret name/);
      expect(await ask(providers, 'CUSTOM', about())).toMatchObject({ text: 'Seen.' });
    },
  );

  test('and stalls ends the call after half a minute', async () => {
    const { providers } = await openProvider();
    const written = captureLog();
    const reading = Promise.withResolvers<void>();
    const file = watchedFile('image', 'p.png', 100, 'image/png', async function* () {
      reading.resolve();
      await new Promise(() => undefined);
      yield new Uint8Array(100);
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const outcome = ask(providers, 'CUSTOM', about(file));
    await reading.promise;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(codeOf((await outcome).error)).toBe('FILE_UNREADABLE');
    expect(written.join()).toContain('STALLED');
  });
});

describe('a call that ends while a file is sent', () => {
  test('closes the file if it is aborted, also while a chunk is waited for', async () => {
    for (const isStuck of [false, true]) {
      const { providers } = await openProvider((request) => void request.pause());
      const begun = Promise.withResolvers<void>();
      const seen: AbortSignal[] = [];
      const file = watchedFile('image', 'p.png', 64 * MIB, 'image/png', async function* (signal) {
        seen.push(signal);
        for (;;) {
          yield new Uint8Array(MIB);
          begun.resolve();
          if (isStuck) await once(signal, 'abort');
        }
      });
      const stop = new AbortController();
      const outcome = ask(providers, 'CUSTOM', about(file), { signal: stop.signal });
      await begun.promise;
      stop.abort(new Error('stopped'));
      expect((await outcome).error).toMatchObject({ message: 'stopped' });
      await eventually('closed', () => file.closed === 1 || undefined);
      expect(seen[0]?.aborted).toBe(true);
    }
  });

  test('closes the file if the connection is lost, which is the network’s failure', async () => {
    const { providers } = await openProvider((request) => void request.once('data', () => request.destroy()));
    const file = endless('image', 64 * MIB);
    expect(codeOf((await ask(providers, 'CUSTOM', about(file))).error)).toBe('NETWORK');
    await eventually('closed', () => file.closed === 1 || undefined);
  });

  test('a provider that reads slowly is given the time', async () => {
    const silenceMs = 2_000;
    const slow = await openProvider(
      async (request, response) => {
        let readBytes = 0;
        for await (const chunk of request as AsyncIterable<Buffer>) {
          if (Math.floor(readBytes / PAUSE_BYTES) < Math.floor((readBytes + chunk.length) / PAUSE_BYTES))
            await setTimeout(silenceMs / 3);
          readBytes += chunk.length;
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(DONE);
      },
      { silenceMs },
    );
    const file = endless('image', 4 * PAUSE_BYTES);
    const beganAtMs = performance.now();
    expect(await ask(slow.providers, 'CUSTOM', about(file))).toMatchObject({ text: 'Seen.', error: null });
    expect(performance.now() - beganAtMs).toBeGreaterThan(silenceMs);
  });

  test('a provider that stops reading is given up for its silence', async () => {
    const silent = await openProvider((request) => void request.pause(), { silenceMs: 300 });
    const file = endless('image', 64 * MIB);
    expect(codeOf((await ask(silent.providers, 'CUSTOM', about(file))).error)).toBe('TIMEOUT');
    await eventually('closed', () => file.closed === 1 || undefined);
    expect(file.readBytes).toBeLessThan(48 * MIB);
  });

  test('no file is opened for a connection that cannot be made', async () => {
    const { providers } = await openProvider();
    const file = picture(randomBytes(10));
    for (const { close } of opened.splice(0)) await close();
    expect(codeOf((await ask(providers, 'CUSTOM', about(file))).error)).toBe('NETWORK');
    expect([file.opened, file.closed]).toEqual([0, 0]);
  });
});

test('eight calls with a file of twenty mebibytes each take little memory', {
  timeout: 120_000,
}, async () => {
  const { providers, received } = await openProvider(undefined, { keepsBodies: false });
  const ask8 = async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => ask(providers, 'CUSTOM', about(endless('image', 20 * MIB)))),
    );
    expect(outcomes.map(({ text }) => text)).toEqual(Array<string>(8).fill('Seen.'));
  };
  await ask8();
  const before = await usedMiB();
  const resident = process.memoryUsage().rss / MIB;
  let most = resident;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss / MIB);
  }, 5);
  const beganAtMs = performance.now();
  await ask8();
  const seconds = (performance.now() - beganAtMs) / 1_000;
  clearInterval(watch);
  await setImmediate();
  expect(new Set(received.map(({ sha256 }) => sha256)).size).toBe(1);
  say(
    `8 calls × 20 MiB: ${seconds.toFixed(1)} s, resident +${Math.round(most - resident)} MiB, kept ${(await usedMiB()) - before} MiB`,
  );
  // With what the provider's end of the connections takes, which is in this process. Bodies in one piece would take 580 MiB.
  expect(most - resident).toBeLessThan(128);
  expect((await usedMiB()) - before).toBeLessThan(8);
});

/** A file of zeros that counts what is read of it. */
function endless(form: FileAsBytes['form'], sizeBytes: number) {
  const file = Object.assign(
    watchedFile(form, 'zeros.png', sizeBytes, 'image/png', async function* () {
      for (let left = sizeBytes; left > 0; left -= 65_536) {
        file.readBytes += 65_536;
        yield new Uint8Array(Math.min(left, 65_536));
      }
    }),
    { readBytes: 0 },
  );
  return file;
}
