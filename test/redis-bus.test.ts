import { afterEach, expect, inject, test, vi } from 'vitest';
import { openBus } from '../src/bus/open-bus.ts';
import { loadRedisAccess } from '../src/bus/redis-access.ts';
import { eventually } from './kit/eventually.ts';
import { captureLog } from './kit/log.ts';

const url = inject('redisUrl');

afterEach(() => vi.restoreAllMocks());

test.runIf(url !== undefined)(
  'a server that was paused does not take its own silence for that of Redis',
  async () => {
    const lines = captureLog();
    const access = await loadRedisAccess({ url, file: undefined, caFile: undefined });
    const bus = await openBus(access, {
      ...{ installationId: crypto.randomUUID(), authSecret: 'secret' },
      pulseMs: 200,
    });
    bus.setServerId('run_paused');
    await eventually('the bus is up', () => bus.isUp);
    const untilMs = performance.now() + 1_000;
    while (performance.now() < untilMs); // nothing else of this process runs meanwhile
    expect(bus.isUp).toBe(false);
    await eventually('the bus is up again', () => bus.isUp);
    expect(lines.filter((line) => line.includes('delivers none'))).toEqual([]);
    await bus.close();
  },
);
