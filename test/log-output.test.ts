import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, mkdtempSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { LogOutput } from '../src/log-output.ts';
import { runCommand } from './kit/command.ts';
import { eventually } from './kit/eventually.ts';
import { newPlace } from './kit/process.ts';

/** Opening a database in a process of its own takes seconds on a busy machine. */
const PROCESS_TIMEOUT_MS = 120_000;

describe('lines that cannot be written', () => {
  test('lines that cannot be written are counted, and the count is logged before the next line once there is room', () => {
    const written: string[] = [];
    let hasRoom = false;
    const output = new LogOutput({
      write: (text) => (hasRoom ? written.push(text) > 0 : false),
      isFlushed: () => true,
    });
    for (const line of ['a\n', 'b\n', 'c\n']) output.write(line);
    hasRoom = true;
    output.write('d\n');
    expect(written).toEqual([
      expect.stringContaining('"lines":3,"msg":"log lines could not be written"'),
      'd\n',
    ]);
  });

  test.each([
    ['a full disk', () => openSync('/dev/full', 'w')],
    ['a pipe whose reader is gone', () => 'gone' as const],
    ['a pipe that nobody reads', fullPipe],
  ])(
    'hold up neither the start, nor serving, nor the end of the process: %s',
    async (_what, outputOf) => {
      const port = await freePort();
      const server = await startWith(outputOf(), port);
      const url = `http://127.0.0.1:${port}`;
      await eventually('it is ready', () => isReady(url), PROCESS_TIMEOUT_MS);
      const refusals = await Promise.all(
        Array.from({ length: 50 }, () => fetch(`${url}/graphql`, { method: 'PUT' })),
      );
      expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([405]));
      expect(await isReady(url)).toBe(true);
      server.kill('SIGTERM');
      const [exitCode] = await once(server, 'exit');
      expect(exitCode).toBe(0);
    },
    PROCESS_TIMEOUT_MS,
  );
});

test(
  'a command whose output is lost does not say that all went well',
  async () => {
    const { exitCode } = await runToFull(['help']);
    expect(exitCode).toBe(1);
    expect(await runCommand(['help'])).toMatchObject({ exitCode: 0 });
  },
  PROCESS_TIMEOUT_MS,
);

async function startWith(output: number | 'gone', port: number): Promise<ChildProcess> {
  const env = { ...(await newPlace()), PORT: `${port}`, LATCHKEY_LOG_LEVEL: 'debug' };
  const server = start(['serve'], env, output);
  if (output === 'gone') server.stdout?.destroy();
  return server;
}

async function runToFull(words: string[]): Promise<{ exitCode: number | null }> {
  const command = start(words, {}, openSync('/dev/full', 'w'));
  await once(command, 'exit');
  return command;
}

/** Its reader has stopped, and left no room for another line. */
function fullPipe(): number {
  const path = join(mkdtempSync(join(tmpdir(), 'latchkey-pipe-')), 'log');
  execFileSync('mkfifo', [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(pipe, Buffer.alloc(4_096, ' '));
  } catch {
    return pipe;
  }
}

function start(words: string[], env: Record<string, string>, output: number | 'gone'): ChildProcess {
  const main = new URL('../src/main.ts', import.meta.url).pathname;
  const always = { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: inject('compileCache') };
  const to = typeof output === 'number' ? output : 'pipe';
  return spawn(process.execPath, [main, ...words], { env: { ...always, ...env }, stdio: ['ignore', to, to] });
}

async function isReady(url: string): Promise<boolean> {
  return await fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
