import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { loadRedisAccess } from '../src/bus/redis-access.ts';
import { RedisClusterError } from '../src/bus/redis-cluster-error.ts';
import { RedisConnection } from '../src/bus/redis-connection.ts';
import { readConfig, takeConfig } from '../src/config.ts';
import { startCommand } from './kit/command.ts';
import { eventually } from './kit/eventually.ts';
import { bulk, healthy, OK, startFakeRedis } from './kit/fake-redis.ts';
import { freePort } from './kit/free-port.ts';
import { captureLog } from './kit/log.ts';
import { newPlace } from './kit/process.ts';
import { connectRedis, dialRedis } from './kit/redis.ts';
import { startTestServer } from './kit/server.ts';

/** Redis makes several servers one. A server starts and serves without it, and its password is told to nobody. */

const PASSWORD = 'SWORDFISH-canary';
const DATABASE = { DATABASE_URL: 'postgres://127.0.0.1/latchkey' };

afterEach(() => vi.restoreAllMocks());

describe('the settings of Redis', () => {
  test('a URL, a file with one, and a file with certificates are taken, and what is secret leaves the environment', () => {
    const env: Record<string, string | undefined> = {
      ...DATABASE,
      REDIS_URL: `rediss://ada:${PASSWORD}@redis.example.com/2`,
      LATCHKEY_REDIS_CA_FILE: '/etc/redis.pem',
    };
    expect(takeConfig(env).redis).toEqual({
      url: `rediss://ada:${PASSWORD}@redis.example.com/2`,
      file: undefined,
      caFile: '/etc/redis.pem',
    });
    expect(env).not.toHaveProperty('REDIS_URL');
    expect(readConfig({}).redis).toBeUndefined();
    expect(readConfig({ ...DATABASE, REDIS_URL_FILE: '/run/redis' }).redis).toMatchObject({
      file: '/run/redis',
    });
  });

  test.each([
    ['both forms at once', { ...DATABASE, REDIS_URL: 'redis://a', REDIS_URL_FILE: 'b' }, /both set/],
    ['no database server', { REDIS_URL: 'redis://a' }, /^REDIS_URL is set without DATABASE_URL\. .*several/],
    ['no database server, with a file', { REDIS_URL_FILE: 'a' }, /^REDIS_URL_FILE is set without/],
    ['certificates for nothing', { ...DATABASE, LATCHKEY_REDIS_CA_FILE: 'a' }, /without REDIS_URL\./],
    ['another protocol', { ...DATABASE, REDIS_URL: `http://:${PASSWORD}@a` }, /redis:\/\/ or rediss:\/\/\.$/],
    ['no host', { ...DATABASE, REDIS_URL: 'redis:///0' }, /names no host/],
    ['a path', { ...DATABASE, REDIS_URL: `redis://:${PASSWORD}@a/b` }, /has a path/],
    ['a query', { ...DATABASE, REDIS_URL: `redis://:${PASSWORD}@a?tls=true` }, /a query/],
    ['a bare %', { ...DATABASE, REDIS_URL: `redis://:${PASSWORD}%@a` }, /Write it as %25\./],
  ])('%s stop the start with a sentence that quotes no password', (_title, env, sentence) => {
    const error = thrownBy(() => readConfig(env));
    expect(error).toMatchObject({
      name: 'ConfigError',
      exitCode: 78,
      message: expect.stringMatching(sentence),
    });
    expect(error.message).not.toContain(PASSWORD);
  });

  test('a file with the URL is read as other secrets are: only its user may read it', async () => {
    const file = await newFile(`rediss://ada:p%40ss@[::1]:7000/3\n`);
    const settings = { url: undefined, file, caFile: undefined };
    expect(await loadRedisAccess(settings)).toEqual({
      host: '::1',
      port: 7_000,
      tls: { ca: 'default' },
      username: 'ada',
      password: 'p@ss',
      database: 3,
    });
    await chmod(file, 0o644);
    await expect(loadRedisAccess(settings)).rejects.toThrow(`${file} is open to other users`);
    await expect(loadRedisAccess({ ...settings, file: `${file}.gone` })).rejects.toThrow(
      `REDIS_URL_FILE names ${file}.gone, which does not exist.`,
    );
  });

  test('certificates that are missing, none, or for a connection without TLS stop the start', async () => {
    const url = 'rediss://127.0.0.1';
    const load = (more: object) => loadRedisAccess({ url, file: undefined, caFile: undefined, ...more });
    await expect(load({ caFile: '/nowhere.pem' })).rejects.toThrow(
      'LATCHKEY_REDIS_CA_FILE names /nowhere.pem, which could not be read (Error ENOENT).',
    );
    await expect(load({ caFile: await newFile('hello') })).rejects.toThrow(/holds no certificate in PEM/);
    await expect(load({ url: 'redis://127.0.0.1', caFile: '/ca.pem' })).rejects.toThrow(
      /Begin it with rediss/,
    );
  });

  test.each([
    [`redis://:${PASSWORD}@redis.example.com`, 1],
    [`rediss://:${PASSWORD}@redis.example.com`, 0],
    [`redis://:${PASSWORD}@127.0.0.1`, 0],
    [`redis://:${PASSWORD}@[::1]`, 0],
    [`redis://:${PASSWORD}@localhost`, 0],
  ])('a connection that others on the network can read is warned of: %s', async (url, warnings) => {
    const lines = captureLog();
    await loadRedisAccess({ url, file: undefined, caFile: undefined });
    expect(lines.filter((line) => line.includes('crosses the network in clear'))).toHaveLength(warnings);
    expect(lines.join()).not.toContain(PASSWORD);
  });
});

describe('a connection', () => {
  test('a server starts and serves while nothing answers at REDIS_URL', async () => {
    await using server = await startTestServer({
      ...DATABASE,
      LATCHKEY_AUTH_SECRET: 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=',
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    });
    expect((await server.signUp()).email).toContain('@');
  });

  test('a connection is made as soon as a server answers, says its name, and is made again after it breaks', async () => {
    const fake = await startFakeRedis(healthy((words) => (words[0] === 'QUIT' ? OK : null)));
    const connection = await connectRedis(fake.url);
    expect(fake.commands).toContainEqual(['CLIENT', 'SETNAME', 'latchkey-limits']);
    const ready: unknown[] = [];
    connection.onReady((client) => ready.push(client));
    expect(ready).toEqual([connection.client]);
    connection.redial();
    expect(connection.client).toBeNull();
    await eventually('another connection', () => connection.client);
    expect(ready).toHaveLength(2);
    expect(ready[1]).not.toBe(ready[0]);
    expect(fake.dialled).toBe(2);
  });

  test('a server that takes connections and says nothing is neither waited for nor taken for one that answers', async () => {
    const silent = await startFakeRedis(() => null);
    const connection = await dialRedis(silent.url);
    const beganAtMs = performance.now();
    await connection.refuseCluster();
    expect(performance.now() - beganAtMs).toBeLessThan(2_000);
    expect(connection.client).toBeNull();
  });

  test('a wrong password is logged once by its name, and no line holds the password', async () => {
    const lines = captureLog((line) => line.includes('"connection"'));
    const fake = await startFakeRedis(
      // Redis does not quote a password. Whatever is in its place may.
      ([command]) => (command === 'AUTH' ? `-WRONGPASS ${PASSWORD} is not the password\r\n` : OK),
    );
    const url = new URL(fake.url);
    url.password = PASSWORD;
    const connection = await dialRedis(url.href);
    await eventually('several tries', () => fake.dialled >= 3);
    expect(connection.client).toBeNull();
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        level: 40,
        connection: 'limits',
        failure: 'WRONGPASS',
        msg: 'Redis does not answer as it should',
      }),
    ]);
    expect(lines.join()).not.toContain(PASSWORD);
  });

  test('a Redis Cluster is refused at the start, and logged when it is found later', async () => {
    const lines = captureLog();
    let isCluster = false;
    const fake = await startFakeRedis(([command]) =>
      command === 'INFO' ? bulk(`# Cluster\r\ncluster_enabled:${isCluster ? 1 : 0}\r\n`) : OK,
    );
    const connection = await connectRedis(fake.url);
    await connection.refuseCluster();
    isCluster = true;
    connection.redial();
    const line = await eventually('it is logged', () => lines.find((text) => text.includes('Redis Cluster')));
    expect(JSON.parse(line)).toMatchObject({ level: 50 });
    expect(connection.client).toBeNull();
    await expect((await dialRedis(fake.url)).refuseCluster()).rejects.toThrow(RedisClusterError);
  });

  test.runIf(inject('postgresUrl') !== undefined)('serve ends with 78 at a Redis Cluster', async () => {
    const fake = await startFakeRedis(([command]) =>
      command === 'INFO' ? bulk('# Cluster\r\ncluster_enabled:1\r\n') : OK,
    );
    const env = { ...(await newPlace()), PORT: '0', REDIS_URL: fake.url };
    const { exitCode, error } = await startCommand(['serve'], env).ended;
    expect({ exitCode, error }).toEqual({ exitCode: 78, error: expect.stringMatching(/Redis Cluster/) });
  });

  test.runIf(spawnSync('openssl', ['version']).status === 0)(
    'a connection with TLS is made to a server whose certificate the given file vouches for, and to no other',
    async () => {
      const { key, cert, certFile } = await newCertificate();
      const fake = await startFakeRedis(
        healthy(() => null),
        { key, cert },
      );
      const open = async (caFile: string | undefined) => {
        const access = await loadRedisAccess({ url: fake.url, file: undefined, caFile });
        const connection = new RedisConnection(access, 'limits');
        onTestFinished(() => connection.close());
        return connection;
      };
      const trusting = await open(certFile);
      await eventually('it connects', () => trusting.client);
      const lines = captureLog((line) => line.includes('"connection"'));
      const wary = await open(undefined);
      await wary.refuseCluster();
      expect(wary.client).toBeNull();
      expect(lines.map((line) => JSON.parse(line).failure)).toEqual(['DEPTH_ZERO_SELF_SIGNED_CERT']);
    },
  );
});

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return expect.unreachable('it threw nothing');
}

async function newFile(text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'latchkey-redis-')), 'file');
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

async function newCertificate(): Promise<{ key: string; cert: string; certFile: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-redis-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'];
  spawnSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', keyFile, '-out', certFile]);
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8'), certFile };
}
