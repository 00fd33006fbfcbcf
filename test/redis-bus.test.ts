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

test.runIf(url !== undefined)(
  'what is announced and sent right before a server stops still arrives',
  async () => {
    const access = await loadRedisAccess({ url, file: undefined, caFile: undefined });
    const options = { installationId: crypto.randomUUID(), authSecret: 'secret', pulseMs: 200 };
    const [here, there] = [await openBus(access, options), await openBus(access, options)];
    const heard: unknown[] = [];
    there.listen({
      onAnnounced: (topic, ids) => heard.push([topic, ids]),
      onRecord: (from, record) => heard.push([from, record]),
    });
    here.setServerId('run_here');
    there.setServerId('run_there');
    await eventually('both are up', () => here.isUp && there.isUp);
    here.announce('thr_1', ['msg_1']);
    here.send('run_there', ['ended', 'msg_1']);
    await here.close();
    await eventually('both have arrived', () => heard.length === 2);
    expect(heard).toEqual(
      expect.arrayContaining([
        ['thr_1', ['msg_1']],
        ['run_here', ['ended', 'msg_1']],
      ]),
    );
    await there.close();
  },
);

test.runIf(url !== undefined)(
  'a message that was not signed with the secret of the servers is ignored',
  async () => {
    const lines = captureLog();
    const access = await loadRedisAccess({ url, file: undefined, caFile: undefined });
    const installationId = crypto.randomUUID();
    const open = (authSecret: string) => openBus(access, { installationId, authSecret, pulseMs: 200 });
    const [forger, bus] = [await open('another secret'), await open('secret')];
    const heard: unknown[] = [];
    bus.listen({ onRecord: (_from, record) => heard.push(record) });
    bus.setServerId('run_here');
    forger.setServerId('run_forger');
    await eventually('both are up', () => forger.isUp && bus.isUp);
    forger.send('run_here', ['frame', 'msg_1', 'T', 0, 'not the answer']);
    await eventually('it is noticed', () => lines.some((line) => line.includes('was not signed')));
    expect(heard).toEqual([]);
    await Promise.all([forger.close(), bus.close()]);
  },
);
