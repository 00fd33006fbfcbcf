import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { reachDatabase } from '../src/db/reach-database.ts';
import { failureCode } from '../src/log.ts';
import { startCommand } from './kit/command.ts';
import { createDatabase } from './kit/database.ts';
import { startDatabaseProxy } from './kit/database-proxy.ts';
import { eventually } from './kit/eventually.ts';
import { SECRETS } from './kit/process.ts';

const serverUrl = inject('postgresUrl');

/** A server that refuses every connection with this SQLSTATE, as PostgreSQL does before authentication. */
async function startRefusing(sqlState: string): Promise<{ url: string; refused(): number }> {
  let refused = 0;
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0Mno entry for hush\0\0`);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      refused += 1;
      const head = Buffer.from('E\0\0\0\0');
      head.writeUInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, fields]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `postgres://ada:hush@127.0.0.1:${port}/latchkey`, refused: () => refused };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a database error that waiting cannot fix ends the start at once, with a sentence that says what to do', () => {
  test.each([
    { sqlState: '28P01', sentence: /refused the user or password of DATABASE_URL\. Correct them\./ },
    { sqlState: '28000', sentence: /refused the user of DATABASE_URL\. Correct it/ },
    { sqlState: '42501', sentence: /may not make or read tables in its database\. Make it the owner/ },
    { sqlState: '3D000', sentence: /has no database of the name in DATABASE_URL\. Create it first\./ },
  ])('SQLSTATE $sqlState', async ({ sqlState, sentence }) => {
    const refusing = await startRefusing(sqlState);
    const { exitCode, out, error } = await startCommand(['serve'], {
      ...SECRETS,
      PORT: '0',
      DATABASE_URL: refusing.url,
    }).ended;
    expect({ exitCode, out, error }).toEqual({
      exitCode: 78,
      out: '',
      error: expect.stringMatching(sentence),
    });
    expect(error).not.toContain('hush');
    expect(refusing.refused()).toBe(1);
  });
});

test.each([
  { title: 'a server that is starting up', code: '57P03' },
  { title: 'a port without a listener', code: 'ECONNREFUSED' },
])('waiting for $title is logged for each attempt, and ends with the last failure', async ({ code }) => {
  const url =
    code === 'ECONNREFUSED'
      ? `postgres://ada:hush@127.0.0.1:${await freePort()}/latchkey`
      : (await startRefusing(code)).url;
  const reported: unknown[] = [];
  const reached = reachDatabase(url, async (failure) => void reported.push(failureCode(failure)), 2_000);
  expect(failureCode(await reached.catch((error: unknown) => error))).toBe(code);
  expect(reported.length).toBeGreaterThan(0);
  expect(new Set(reported)).toEqual(new Set([code]));
});

describe.runIf(serverUrl !== undefined)('a database that comes up after its server', () => {
  test('a database that comes up after its server is waited for, by a process that lives and is not ready', async () => {
    const proxy = await startDatabaseProxy(await createDatabase(serverUrl ?? ''));
    await proxy.cut();
    const url = new URL(proxy.url);
    url.password = 'hush';
    const port = await freePort();
    const server = startCommand(['serve'], { ...SECRETS, PORT: String(port), DATABASE_URL: url.href });
    await server.line(/The database at DATABASE_URL does not answer\. .* Trying again\./);
    const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
    expect([await statusOf('/health/live'), await statusOf('/health/ready'), await statusOf('/')]).toEqual([
      200, 503, 503,
    ]);
    await proxy.restore();
    await server.line(/Latchkey is ready/);
    await eventually('it is ready', async () => (await statusOf('/health/ready')) === 200);
    server.process.kill('SIGTERM');
    const { exitCode, out, error } = await server.ended;
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
    expect(out).not.toContain('hush');
    await proxy[Symbol.asyncDispose]();
  });
});
