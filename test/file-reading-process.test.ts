import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ReadResult } from '../src/files/reading/read-file.ts';
import { eventually } from './kit/eventually.ts';
import { openQueue, type ReadOptions, read, readers, untilReading } from './kit/file-reader.ts';
import { captureLog } from './kit/log.ts';

const TOO_COMPLEX = {
  type: 'refused',
  code: 'TOO_COMPLEX',
  reason: 'Reading this file takes too much memory or time. Split or simplify it, then upload it again.',
};
const DAMAGED = {
  type: 'refused',
  code: 'DAMAGED',
  reason: 'This file is damaged or incomplete. Save it again, then upload that.',
};
const CLOSED = { status: 'rejected', reason: { name: 'ReadingFailedError', code: 'CLOSED' } };

describe('rights', () => {
  const nothing = {
    environment: '{"TZ":"UTC"}',
    'connect to a port': 'ERR_ACCESS_DENIED',
    'connect to a socket file': 'ERR_ACCESS_DENIED',
    'fetch a page': 'ERR_ACCESS_DENIED',
    'list a folder': 'ERR_ACCESS_DENIED',
    'load native code': 'ERR_DLOPEN_DISABLED',
    'make code of text': 'EvalError: Code generation from strings disallowed for this context',
    'open a debugger': 'ERR_ACCESS_DENIED',
    'read a file': 'ERR_ACCESS_DENIED',
    'read the settings of the server': 'ERR_ACCESS_DENIED',
    'run a program': 'ERR_ACCESS_DENIED',
    'send a datagram': 'ERR_ACCESS_DENIED',
    'signal the server': 'TypeError: process.kill is not a function',
    'signal the server by an import': 'TypeError: kill is not a function',
    'start a thread': 'ERR_ACCESS_DENIED',
    'write a file': 'ERR_ACCESS_DENIED',
    'write beside its code': 'ERR_ACCESS_DENIED',
  };

  test('a reader can do nothing but read its own code, compute and reply', async () => {
    expect(await outcomes('curious')).toEqual(nothing);
  });

  test('a reader of pictures may load native code as well', async () => {
    expect(await outcomes('curious-native')).toEqual({ ...nothing, 'load native code': 'ERR_DLOPEN_FAILED' });
  });

  test('a reader gets two pipes, and none of the files and sockets of the server', async () => {
    const stopping = new AbortController();
    const reading = misbehave('wait', { signal: stopping.signal });
    const [id] = await untilReading();
    const open = readdirSync(`/proc/${id}/fd`).map((fd) => readlinkSync(`/proc/${id}/fd/${fd}`));
    stopping.abort(new Error('seen'));
    await expect(reading).rejects.toThrow('seen');
    // Node makes its pipes of pairs of sockets. What else is open, Node and its event loop have opened for themselves.
    const [input, output, errors, ...own] = open.map((target) => target.replace(/:\[.*/, ''));
    expect([input, output, errors]).toEqual(['socket', 'socket', '/dev/null']);
    expect(own.filter((kind) => !/^(anon_inode|pipe|\/dev\/null)/.test(kind))).toEqual([]);
  });

  async function outcomes(program: 'curious' | 'curious-native'): Promise<unknown> {
    let connections = 0;
    const server = createServer(() => {}).on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const result = await read(JSON.stringify({ port }), 'a.txt', { program });
    server.close();
    expect(connections).toBe(0);
    return result.type === 'ready' ? JSON.parse(result.text ?? '') : result;
  }
});

describe('what a file can make its reader do', () => {
  test('a file that takes ever more memory is refused, and takes none of the server', async () => {
    const before = process.memoryUsage().rss;
    expect(await misbehave('take memory', { limits: { memoryBytes: 300 * 2 ** 20 } })).toEqual(TOO_COMPLEX);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
    expect(readers()).toEqual([]);
  });

  test('a file that computes without an end is refused', async () => {
    expect(await misbehave('compute without an end', { limits: { cpuMs: 500 } })).toEqual(TOO_COMPLEX);
    expect(readers()).toEqual([]);
  });

  test('a file that makes its reader wait without an end is refused', async () => {
    expect(await misbehave('wait', { limits: { wallMs: 500 } })).toEqual(TOO_COMPLEX);
    expect(readers()).toEqual([]);
  });

  test('a file that makes its reader crash is refused', async () => {
    expect(await misbehave('crash')).toEqual(TOO_COMPLEX);
  });

  test('a file that makes its reader write without an end is refused', async () => {
    expect(await misbehave('write without an end')).toEqual(DAMAGED);
    expect(readers()).toEqual([]);
  });

  test.each([
    'nothing',
    'a word',
    'a header without an end',
    'a header of 4 GB',
    'a header that is no JSON',
    'a sentence of its own',
    'a format that is none',
    'a field too many',
    'fewer bytes than it says',
    'more bytes than it says',
    'a text with NUL',
    'a text that is no UTF-8',
    'a text that is too long',
    'a picture of a text',
    'a picture without a size',
    'a picture of another format',
    'minus one page',
  ])('a reply that is %s is not accepted', async (order) => {
    expect(await misbehave(order)).toEqual(DAMAGED);
  });
});

describe('faults of libraries', () => {
  test.each([
    ['throws where nobody catches it', DAMAGED],
    ['waits for nothing', DAMAGED],
    ['overflows the stack', TOO_COMPLEX],
  ])('a file over which a library %s is refused', async (order, refusal) => {
    expect(await read(`${order}\n`, 'a.txt', { program: 'stumbling' })).toEqual(refusal);
  });

  test('a rejection that no code waits for does not keep a file from being read', async () => {
    const result = await read('rejects on the side\n', 'a.txt', { program: 'stumbling' });
    expect(result).toMatchObject({ kind: 'TEXT', text: 'read' });
  });

  test('a file whose reader cannot be loaded can be read later', async () => {
    const reading = read('is not there\n', 'a.txt', { program: 'stumbling' });
    await expect(reading).rejects.toMatchObject({ name: 'ReadingFailedError', code: 'ENDED' });
  });
});

describe('faults of the server', () => {
  test('a file whose reader is killed from outside can be read later', async () => {
    const reading = misbehave('wait');
    const [id = 0] = await untilReading();
    process.kill(id, 'SIGKILL');
    await expect(reading).rejects.toMatchObject({ name: 'ReadingFailedError', code: 'ENDED' });
  });

  test('a file whose reader exits by itself can be read later', async () => {
    await expect(misbehave('exit')).rejects.toMatchObject({ name: 'ReadingFailedError', code: 'ENDED' });
  });

  test('a failure of the store is passed on', async () => {
    const failure = new Error('the bucket is away');
    async function* failing() {
      yield Buffer.from('the first half of the file');
      throw failure;
    }
    await expect(read(failing(), 'a.txt', { sizeBytes: 50 })).rejects.toBe(failure);
    expect(readers()).toEqual([]);
  });

  test.each([4, 6])('a file of 5 bytes that is said to have %i is not read', async (sizeBytes) => {
    await expect(read('12345', 'a.txt', { sizeBytes })).rejects.toMatchObject({ code: 'WRONG_LENGTH' });
    expect(readers()).toEqual([]);
  });

  test('a file whose store stops in the middle can be read later', async () => {
    async function* stalled() {
      yield Buffer.from('the first half of the file');
      await new Promise(() => {});
    }
    const reading = read(stalled(), 'a.txt', { sizeBytes: 50, limits: { wallMs: 500 } });
    await expect(reading).rejects.toMatchObject({ code: 'SOURCE_TOO_SLOW' });
    expect(readers()).toEqual([]);
  });
});

test('the log says that a reader ended and how, and nothing of the file', async () => {
  const lines = captureLog();
  await misbehave('crash\nCANARY', { fileName: 'CANARY.txt' });
  await misbehave('exit\nCANARY', { fileName: 'CANARY.txt' }).catch(() => {});
  await misbehave('a word\nCANARY', { fileName: 'CANARY.txt' });
  vi.restoreAllMocks();
  const messages = lines.map((line) => {
    const { time: _time, peakBytes: _peakBytes, level: _level, name: _name, ...rest } = JSON.parse(line);
    return rest;
  });
  expect(messages).toEqual([
    { sizeBytes: 13, excess: null, signal: 'SIGABRT', msg: 'a file was too complex to read' },
    { sizeBytes: 12, exitCode: 3, signal: null, msg: 'a file reader ended by itself' },
    { sizeBytes: 14, msg: 'the reply of a file reader was not valid' },
  ]);
});

test('a reader that outlives its server ends when its processor time is used up', async () => {
  const script = fileURLToPath(new URL('fixtures/readers/killed-server.ts', import.meta.url));
  const server = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void server.kill('SIGKILL'));
  const id = Number(String((await once(server.stdout, 'data'))[0]));
  const statOf = () => (existsSync(`/proc/${id}`) ? readFileSync(`/proc/${id}/stat`, 'latin1') : null);
  await eventually(
    'the reader computes',
    () => Number(statOf()?.split(') ')[1]?.split(' ')[11]) > 50,
    60_000,
  );
  server.kill('SIGKILL');
  await once(server, 'close');
  // What nobody waits for may stay in the list of processes, as a zombie.
  const isOver = () => statOf()?.includes(') Z ') !== false;
  expect(isOver()).toBe(false);
  await eventually('the reader is over', isOver, 60_000);
});

describe('aborted readings', () => {
  test('a reading that is aborted ends its process', async () => {
    const stopping = new AbortController();
    const reading = misbehave('wait', { signal: stopping.signal });
    await untilReading();
    const reason = new Error('no longer wanted');
    stopping.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(readers()).toEqual([]);
  });

  test('a reading can be aborted before the store has sent a byte', async () => {
    const stopping = new AbortController();
    async function* silent(): AsyncGenerator<Uint8Array> {
      stopping.abort(new Error('no longer wanted'));
      await new Promise(() => {});
    }
    const reading = read(silent(), 'a.txt', { sizeBytes: 1, signal: stopping.signal });
    await expect(reading).rejects.toThrow('no longer wanted');
  });

  test('readings that run and that wait end when the server closes', async () => {
    const readingQueue = openQueue();
    const begun = ['usr_a', 'usr_b', 'usr_c'].map((userId) => misbehave('wait', { readingQueue, userId }));
    const readings = Promise.allSettled(begun);
    await untilReading(2);
    await readingQueue.close();
    expect(readers()).toEqual([]);
    expect(await readings).toMatchObject(Array(3).fill(CLOSED));
    await expect(misbehave('read it', { readingQueue })).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

test("one person's file that takes long does not hold up another person's", async () => {
  const readingQueue = openQueue();
  const slow = Promise.allSettled([1, 2, 3].map(() => misbehave('wait', { readingQueue, userId: 'usr_a' })));
  await untilReading(1);
  expect(await misbehave('read it', { readingQueue, userId: 'usr_b' })).toMatchObject({ text: 'some text' });
  expect(readers()).toHaveLength(1);
  await readingQueue.close();
  expect(await slow).toMatchObject(Array(3).fill(CLOSED));
});

/** Has a file "read" by a process that does what the file says. */
function misbehave(
  order: string,
  { fileName = 'a.txt', ...options }: ReadOptions & { fileName?: string } = {},
): Promise<ReadResult> {
  return read(`${order}\n`, fileName, { ...options, program: 'misbehaving' });
}
