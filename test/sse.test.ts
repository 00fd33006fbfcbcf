import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ProviderError } from '../src/providers/failure/failure.ts';
import { readBody, readFailure } from '../src/providers/http/read-body.ts';
import { readEvents, type ServerSentEvent } from '../src/providers/http/sse.ts';

const MEBIBYTE = 1_048_576;

describe('events', () => {
  test.each<[string, string, ServerSentEvent[]]>([
    ['one line', 'data: a\n\n', [{ data: 'a' }]],
    ['no space after the colon', 'data:a\n\n', [{ data: 'a' }]],
    ['a name', 'event: ping\ndata: {}\n\n', [{ event: 'ping', data: '{}' }]],
    ['several lines', 'data: a\ndata:\ndata: b\n\n', [{ data: 'a\n\nb' }]],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', [{ data: 'a' }, { data: 'b' }]],
    ['CR', 'data: a\r\rdata: b\r\r', [{ data: 'a' }, { data: 'b' }]],
    ['comments', ': OPENROUTER PROCESSING\n\n:\n\ndata: a\n: in between\n\n', [{ data: 'a' }]],
    ['unknown fields', 'foo: bar\nretry: soon\nid: 7\ndata: a\n\n', [{ data: 'a' }]],
    ['a name without data', 'event: ping\n\ndata: a\n\n', [{ data: 'a' }]],
    ['a byte order mark', '\uFEFFdata: a\n\n', [{ data: 'a' }]],
    ['two byte order marks', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', [{ data: 'b' }]],
    ['no blank line at the end', 'data: a\n\ndata: b\n', [{ data: 'a' }, { data: 'b' }]],
    ['no line feed at the end', 'data: a\n\ndata: b', [{ data: 'a' }, { data: 'b' }]],
    ['a carriage return at the end', 'data: a\r\n\r\ndata: b\r', [{ data: 'a' }, { data: 'b' }]],
    ['nothing', '', []],
    ['JSON without data:', '{"a":1}', [{ data: '{"a":1}' }]],
    ['JSON on several lines', '{\n  "a": [\n    1\n  ]\n}\n\n', [{ data: '{\n  "a": [\n    1\n  ]\n}' }]],
    ['JSON with CRLF', '{\r\n"a":1\r\n}\r\n\r\n', [{ data: '{\n"a":1\n}' }]],
    ['JSON with CR', 'data: a\r{"b":1}\rdata: c\r\r', [{ data: 'a' }, { data: '{"b":1}' }, { data: 'c' }]],
    ['JSON on each line', '{"a":1}\n{"b":2}\n', [{ data: '{"a":1}' }, { data: '{"b":2}' }]],
    ['a list of JSON', '[{"a":1}\n,\n{"b":2}\n]\n', [{ data: '[{"a":1}\n,\n{"b":2}\n]' }]],
    [
      'JSON between events',
      'data: a\n{"b":1}\ndata: c\n\n',
      [{ data: 'a' }, { data: '{"b":1}' }, { data: 'c' }],
    ],
    [
      'a field named error',
      'data: a\n\nerror: {"b":1}\ndata: [DONE]\n\n',
      [{ data: 'a' }, { event: 'error', data: '{"b":1}' }, { data: '[DONE]' }],
    ],
    ['braces within a line', 'data: a\ndata:{\n\nfoo {\n\n', [{ data: 'a\n{' }]],
  ])('server-sent events are the same in any chunks: %s', async (_name, text, events) => {
    const bytes = Buffer.from(text);
    expect(await eventsOf([bytes])).toEqual(events);
    expect(await eventsOf(Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(events);
  });

  test('server-sent events are the same in any chunks, whatever is in them', async () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }).map((text) => `data: ${text}`),
      fc.constantFrom(
        'data',
        'data:',
        'data:  x',
        ': hi',
        'event: ping',
        'id: 1',
        'retry: 5',
        'foo: bar',
        '{"a":',
        '  1}',
        '[2]',
        'error: 3',
        '',
        '',
        '',
      ),
    );
    const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
    const stream = fc
      .tuple(fc.constantFrom('', '\uFEFF'), fc.array(fc.tuple(line, lineEnd), { maxLength: 20 }), line)
      .map(([mark, lines, last]) => Buffer.from(mark + lines.map((pair) => pair.join('')).join('') + last));
    const noise = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
    const damaged = fc.tuple(stream, noise).map(([bytes, hits]) => {
      for (const [place, byte] of hits) bytes[place % bytes.length] = byte;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(stream, damaged),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (bytes, cuts) => {
          expect(await eventsOf(cutAt(bytes, cuts))).toEqual(await eventsOf([bytes]));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('server-sent events keep characters that are split across chunks, and show bytes that are no UTF-8 as U+FFFD', async () => {
    const bytes = Buffer.from('data: 🙂é\n\n');
    expect(await eventsOf([bytes.subarray(0, 8), bytes.subarray(8)])).toEqual([{ data: '🙂é' }]);
    const broken = Buffer.concat([Buffer.from('data: a'), Buffer.of(0xff, 0xf0, 0x9f), Buffer.from('b\n\n')]);
    expect(await eventsOf([broken])).toEqual([{ data: 'a\uFFFD\uFFFDb' }]);
    expect(await eventsOf([Buffer.from('data: a'), Buffer.of(0xf0, 0x9f)])).toEqual([{ data: 'a\uFFFD' }]);
  });

  test('server-sent events are handed over as they arrive, before the next chunk is there', async () => {
    const body = new PassThrough();
    const events: string[] = [];
    const reading = readEvents(body, patient(), ({ data }) => {
      events.push(data);
      if (data === '1') setImmediate(() => body.write('data: 2\n\n'));
      return data === '2' ? 'end' : undefined;
    });
    body.write('data: 1\n\n');
    await reading;
    expect(events).toEqual(['1', '2']);
  });
});

describe('size', () => {
  test('an event of a mebibyte is delivered, in one piece and in many', async () => {
    const data = 'x'.repeat(MEBIBYTE);
    const bytes = Buffer.from(`data: ${data}\n\n`);
    expect((await eventsOf([bytes]))[0]?.data.length).toBe(MEBIBYTE);
    expect((await eventsOf(cutEvery(bytes, 60_000)))[0]?.data.length).toBe(MEBIBYTE);
  });

  test('a larger one is OUTPUT_TOO_LARGE and destroys the body, in one piece and in many', async () => {
    const bytes = Buffer.from(`data: ${'x'.repeat(MEBIBYTE + 1)}\n\n`);
    for (const chunks of [[bytes], cutEvery(bytes, 60_000)]) {
      const body = Readable.from(chunks, { objectMode: false });
      await expect(readEvents(body, patient(), ignore)).rejects.toMatchObject({ code: 'OUTPUT_TOO_LARGE' });
      expect(body.destroyed).toBe(true);
    }
  });

  test.each([
    ['a line without an end', 'data: ', 'x'],
    ['an event of lines without an end', '', 'data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n'],
  ])('%s is given up after little more than a mebibyte', async (_name, start, again) => {
    const endless = createEndless(start, again);
    await expect(readEvents(endless.body, patient(), ignore)).rejects.toMatchObject({
      code: 'OUTPUT_TOO_LARGE',
    });
    expect(endless.sentBytes()).toBeLessThan(2 * MEBIBYTE);
  });

  test.each([
    ['a comment without an end', ': ', 'x'],
    ['a field that is none without an end', 'foo', 'x'],
    ['comments without an end', '', ': still there\n\n'],
  ])(
    '%s costs no memory',
    async (_name, start, again) => {
      const abort = new AbortController();
      const endless = createEndless(start, again, 192 * MEBIBYTE, () => abort.abort(new Error('enough')));
      const before = process.memoryUsage().heapUsed;
      await expect(readEvents(endless.body, { ...patient(), signal: abort.signal }, ignore)).rejects.toThrow(
        'enough',
      );
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(96 * MEBIBYTE);
    },
    60_000,
  );
});

describe('an end', () => {
  test("'end' stops the reading at once and lets the last bytes in, so that the connection can be used again", async () => {
    const body = new PassThrough();
    const events: string[] = [];
    const reading = readEvents(body, patient(), ({ data }) => {
      events.push(data);
      return data === '[DONE]' ? 'end' : undefined;
    });
    body.write('data: 1\n\ndata: [DONE]\n\ndata: 2\n\n');
    await reading;
    body.end('data: 3\n\n');
    await once(body, 'close');
    expect(events).toEqual(['1', '[DONE]']);
    expect(body.readableEnded).toBe(true);
  });

  test("a body that goes on after 'end' is destroyed", async () => {
    const endless = createEndless('data: [DONE]\n\n', ': more\n\n');
    await readEvents(endless.body, patient(), () => 'end');
    await once(endless.body, 'close');
    expect(endless.sentBytes()).toBeLessThan(MEBIBYTE);
  });

  test("a body that stays open after 'end' is destroyed", async () => {
    const body = new PassThrough();
    body.write('data: [DONE]\n\n');
    await readEvents(body, patient(), () => 'end');
    await once(body, 'close');
    expect(body.readableEnded).toBe(false);
  });

  test('an exception of the callback is passed on unchanged and destroys the body', async () => {
    const thrown = new RangeError('mine');
    for (const text of ['data: 1\n\n', 'data: 1']) {
      const body = Readable.from([Buffer.from(text)]);
      const reading = readEvents(body, patient(), () => {
        throw thrown;
      });
      await expect(reading).rejects.toBe(thrown);
      expect(body.destroyed).toBe(true);
    }
  });

  test('an abort rejects with its reason and destroys the body', async () => {
    const body = new PassThrough();
    const abort = new AbortController();
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const reading = readEvents(body, { ...patient(), signal: abort.signal }, () => void resolve());
    body.write('data: 1\n\n');
    await arrived;
    const reason = new Error('stopped');
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(body.destroyed).toBe(true);
  });

  test('a signal aborted before the reading rejects with its reason and destroys the body', async () => {
    const body = new PassThrough();
    const reason = new Error('stopped');
    const options = { ...patient(), signal: AbortSignal.abort(reason) };
    await expect(readEvents(body, options, ignore)).rejects.toBe(reason);
    expect(body.destroyed).toBe(true);
  });

  test('a callback that aborts ends the reading with the reason', async () => {
    const abort = new AbortController();
    const body = Readable.from([Buffer.from('data: 1\n\n'), Buffer.from('data: 2\n\n')]);
    const events: string[] = [];
    const reading = readEvents(body, { ...patient(), signal: abort.signal }, ({ data }) => {
      events.push(data);
      abort.abort(new Error('stopped'));
      return undefined;
    });
    await expect(reading).rejects.toThrow('stopped');
    expect(events).toEqual(['1']);
  });

  test('a connection that is lost is STREAM_CUT, and what came before was delivered', async () => {
    const body = new PassThrough();
    const events: string[] = [];
    const reading = readEvents(body, patient(), ({ data }) => {
      events.push(data);
      body.destroy(Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }));
      return undefined;
    });
    body.write('data: 1\n\n');
    await expect(reading).rejects.toMatchObject({ name: 'ProviderError', code: 'STREAM_CUT' });
    expect(events).toEqual(['1']);
  });

  test('a body that was destroyed before is STREAM_CUT', async () => {
    const body = new PassThrough().destroy();
    await expect(readEvents(body, patient(), ignore)).rejects.toMatchObject({ code: 'STREAM_CUT' });
  });
});

describe('a body that waits for its turn', () => {
  test('a body that waits for its turn loses nothing when it ends meanwhile, in pieces of any size', async () => {
    const options = { ...patient(), tenantId: `wsp_${crypto.randomUUID()}` };
    const event = `data: ${'x'.repeat(90)}\n\n`;
    for (const size of [7, 1_000, 300_000]) {
      const bytes = Buffer.from(event.repeat(3_000));
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      let events = 0;
      await readEvents(Readable.from(chunks), options, () => {
        events += 1;
        // What an answer costs behind the reader; the allowance is gone after a few hundred.
        const end = performance.now() + 0.1;
        while (performance.now() < end);
        return undefined;
      });
      expect(events).toBe(3_000);
    }
  });
});

describe('silence', () => {
  test('silence of a provider that lasts too long is a TIMEOUT and destroys the body', async () => {
    const body = new PassThrough();
    const reading = readEvents(body, { ...patient(), silenceMs: () => 20 }, ignore);
    await expect(reading).rejects.toMatchObject({ name: 'ProviderError', code: 'TIMEOUT' });
    expect(body.destroyed).toBe(true);
  });

  test('the silence timeout restarts after every chunk, with the current limit', async () => {
    const asked: number[] = [];
    let hasText = false;
    const chunks = [': thinking\n\n', 'data: text\n\n'];
    const body = new Readable({
      read() {
        const next = chunks.shift();
        if (next !== undefined) setImmediate(() => this.push(next));
      },
    });
    function silenceMs() {
      const patienceMs = hasText ? 20 : 60_000;
      asked.push(patienceMs);
      return patienceMs;
    }
    const reading = readEvents(body, { ...patient(), silenceMs }, () => {
      hasText = true;
      return undefined;
    });
    await expect(reading).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(asked).toEqual([60_000, 60_000, 20]);
  });

  test('silence of a provider is broken by comments', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const body = new PassThrough();
    const reading = readEvents(body, patient(), ignore);
    for (let minute = 0; minute < 5; minute++) {
      await vi.advanceTimersByTimeAsync(59_000);
      body.write(': still here\n\n');
    }
    body.end();
    await reading;
  });
});

describe('a whole body', () => {
  test('a whole body is read as text, without a byte order mark and with characters split across chunks', async () => {
    const bytes = Buffer.from('\uFEFF{"a":"🙂"}');
    const body = Readable.from(Array.from(bytes, (byte) => Buffer.of(byte)));
    expect(await readBody(body, patient())).toBe('{"a":"🙂"}');
  });

  test('a whole body over its limit is OUTPUT_TOO_LARGE and destroyed', async () => {
    const endless = createEndless('', 'x');
    await expect(readBody(endless.body, patient())).rejects.toMatchObject({ code: 'OUTPUT_TOO_LARGE' });
    expect(endless.sentBytes()).toBeLessThan(11 * MEBIBYTE);
    const small = Readable.from([Buffer.from('12345')]);
    await expect(readBody(small, { ...patient(), limitBytes: 4 })).rejects.toBeInstanceOf(ProviderError);
  });

  test('a whole body that stalls is a TIMEOUT, that is aborted ends with the reason', async () => {
    const stalled = readBody(new PassThrough(), { ...patient(), silenceMs: () => 20 });
    await expect(stalled).rejects.toMatchObject({ code: 'TIMEOUT' });
    const aborted = readBody(new PassThrough(), { ...patient(), signal: AbortSignal.abort('stopped') });
    await expect(aborted).rejects.toBe('stopped');
  });
});

describe('an error response', () => {
  const failed = { status: 401, headers: {} };

  test('an error response is classified by its body', async () => {
    const body = Readable.from([
      Buffer.from('{"error":{"message":"Incorrect API key '),
      Buffer.from('my-own-key"}}'),
    ]);
    const error = await readFailure('OPENAI', { ...failed, body }, { ...patient(), secrets: ['my-own-key'] });
    expect([error.code, error.providerText]).toEqual(['INVALID_KEY', 'Incorrect API key [redacted]']);
  });

  test('an error response is classified by its status if its body is endless, stalls or breaks off', async () => {
    const broken = new Readable({ read: () => void broken.destroy(new Error('cut')) });
    for (const body of [createEndless('{', 'x').body, new PassThrough(), broken]) {
      const options = { ...patient(), silenceMs: () => 20, secrets: [''] };
      expect((await readFailure('OPENAI', { ...failed, body }, options)).code).toBe('INVALID_KEY');
    }
  });

  test('an error response whose call is aborted ends with the reason', async () => {
    const options = { ...patient(), signal: AbortSignal.abort(new Error('stopped')), secrets: [''] };
    await expect(readFailure('OPENAI', { ...failed, body: new PassThrough() }, options)).rejects.toThrow(
      'stopped',
    );
  });
});

function patient() {
  return { signal: new AbortController().signal, silenceMs: () => 60_000 };
}

function ignore(): undefined {}

async function eventsOf(chunks: Buffer[]): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  await readEvents(Readable.from(chunks, { objectMode: false }), patient(), ({ event, data }) => {
    events.push(event === undefined ? { data } : { event, data });
    return undefined;
  });
  return events;
}

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((place, index) => bytes.subarray(place, places[index] ?? bytes.length));
}

function cutEvery(bytes: Buffer, lengthBytes: number): Buffer[] {
  const count = Math.ceil(bytes.length / lengthBytes);
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * lengthBytes, (index + 1) * lengthBytes),
  );
}

/** A body that never ends: `start`, then `again` for ever. Says once when it has sent `notifyBytes`. */
function createEndless(start: string, again: string, notifyBytes = Infinity, notify: () => void = ignore) {
  const chunk = Buffer.from(again.repeat(Math.ceil(16_384 / again.length)));
  let sentBytes = 0;
  const body = new Readable({
    read() {
      const next = sentBytes === 0 && start !== '' ? Buffer.from(start) : chunk;
      sentBytes += next.length;
      if (sentBytes >= notifyBytes) notify();
      setImmediate(() => this.push(next));
    },
  });
  return { body, sentBytes: () => sentBytes };
}
