import type { Bus } from './bus.ts';
import { NO_BUS } from './in-process.ts';
import type { RedisAccess } from './redis-access.ts';

/** Opens the bus between the servers of a database. Without Redis there is none. A Redis that does not answer is no failure. */
export async function openBus(
  access: RedisAccess | undefined,
  options: { installationId: string; authSecret: string; pulseMs: number },
): Promise<Bus> {
  if (access === undefined) return NO_BUS;
  // A lone server does not load the client, which takes a tenth of a second and 30 MB.
  const [{ RedisConnection }, { RedisBus }] = await Promise.all([
    import('./redis-connection.ts'),
    import('./redis.ts'),
  ]);
  const publisher = new RedisConnection(access, 'publisher');
  return new RedisBus({ publisher, subscriber: new RedisConnection(access, 'subscriber') }, options);
}
