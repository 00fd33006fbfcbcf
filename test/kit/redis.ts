import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from 'redis';
import { onTestFinished } from 'vitest';
import { loadRedisAccess } from '../../src/bus/redis-access.ts';
import { RedisConnection, type RedisRole } from '../../src/bus/redis-connection.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

/** The version of the Redis at a URL; null if none answers there. */
export async function redisVersion(url: string): Promise<string | null> {
  const client = createClient({
    url,
    RESP: 2,
    socket: { connectTimeout: 1_000, socketTimeout: 1_000, reconnectStrategy: false },
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return /^redis_version:(\S+)/m.exec(await client.info('server'))?.[1] ?? 'of an unknown version';
  } catch {
    return null;
  } finally {
    client.destroy();
  }
}

/** A connection as a server opens it, which has only begun to connect. It lives no longer than the test. */
export async function dialRedis(url: string, role: RedisRole = 'limits'): Promise<RedisConnection> {
  const connection = new RedisConnection(
    await loadRedisAccess({ url, file: undefined, caFile: undefined }),
    role,
  );
  onTestFinished(() => connection.close());
  return connection;
}

/** The same once Redis has answered. */
export async function connectRedis(url: string): Promise<RedisConnection> {
  const connection = await dialRedis(url);
  await eventually('Redis answers', () => connection.client);
  return connection;
}

/** Whether this machine can start a Redis of a test's own, which it may flush, fill and kill. */
export const canStartRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of a test's own, with nothing in it. */
export interface OwnRedis {
  url: string;
  process: ChildProcess;
  /** Kills it. It can be started again at the same URL. */
  kill(): Promise<void>;
}

export async function startRedis(
  port?: number,
  whenOver: (end: () => void) => void = onTestFinished,
): Promise<OwnRedis> {
  const onPort = port ?? (await freePort());
  const url = `redis://127.0.0.1:${onPort}`;
  const settings = ['--port', String(onPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', settings, { stdio: 'ignore', cwd: '/' });
  whenOver(() => void child.kill('SIGKILL'));
  await eventually('the Redis of the test answers', () => redisVersion(url));
  return {
    url,
    process: child,
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
