import type { RedisAccess } from '../bus/redis-access.ts';
import { createInProcessWindow } from './in-process.ts';
import { openRedisWindows } from './redis.ts';
import type { CreateWindow } from './sliding-window.ts';

/** The rate limits of a server: counted in its memory without Redis, else together with the other servers. */
export interface OpenLimits {
  createWindow: CreateWindow;
  close(): void;
}

/** Opens the rate limits. A Redis that does not answer is no failure. Throws RedisClusterError. */
export async function openLimits(
  access: RedisAccess | undefined,
  names: { installationId: string; authSecret: string },
): Promise<OpenLimits> {
  if (access === undefined) return { createWindow: createInProcessWindow, close: () => {} };
  // A lone server does not load the client, which takes a tenth of a second and 30 MB.
  const { RedisConnection } = await import('../bus/redis-connection.ts');
  const connection = new RedisConnection(access, 'limits');
  try {
    await connection.refuseCluster();
  } catch (error) {
    connection.close();
    throw error;
  }
  return {
    createWindow: openRedisWindows({ connection, ...names }),
    close: () => connection.close(),
  };
}
