import { randomBytes } from 'node:crypto';
import { createClient } from 'redis';
import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { AttemptLimits } from '../src/accounts/attempt-limits.ts';
import type { Viewer } from '../src/accounts/session.ts';
import { CheckLimits } from '../src/keys/check-limits.ts';
import type { CheckResult } from '../src/keys/health.ts';
import { openRedisWindows } from '../src/limits/redis.ts';
import type { CreateWindow, SlidingWindow } from '../src/limits/sliding-window.ts';
import { Networks } from '../src/networks.ts';
import { postAccount } from './kit/account-request.ts';
import { ACCEPTED, REFUSED } from './kit/check-result.ts';
import { eventually } from './kit/eventually.ts';
import { healthy, startFakeRedis } from './kit/fake-redis.ts';
import { freePort } from './kit/free-port.ts';
import { captureLog } from './kit/log.ts';
import { canStartRedis, connectRedis, dialRedis, startRedis } from './kit/redis.ts';
import { DEFAULT_ATTEMPTS, startTestServer } from './kit/server.ts';

/** Several servers count together, so that a limit does not grow with their number, and no server fails for lack of Redis. */

const redisUrl = inject('redisUrl') ?? '';
const AUTH_SECRET = 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=';
const MINUTE_MS = 60_000;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe.runIf(redisUrl !== '')('servers that share a Redis', () => {
  test('four servers that are asked at the same time admit as many as the limit says, and each refusal says when to retry', async () => {
    const windows = await openWindows(redisUrl, 4);
    const limits = [{ subject: 'person ada', most: 10 }];
    const asked = Array.from({ length: 25 }, () => windows.map((window) => window.take(limits))).flat();
    const refusals = (await Promise.all(asked)).filter((retryAt) => retryAt !== null);
    expect(refusals).toHaveLength(90);
    for (const retryAt of refusals) {
      expect(retryAt.getTime() - Date.now()).toBeGreaterThan(MINUTE_MS - 10_000);
      expect(retryAt.getTime() - Date.now()).toBeLessThanOrEqual(MINUTE_MS);
    }
  });

  test('two servers count for every subject or for none', async () => {
    const [window, other] = await openPair(redisUrl);
    const [ada, home] = [
      { subject: 'person ada', most: 1 },
      { subject: 'address 192.0.2.1', most: 2 },
    ];
    expect(await window.take([ada, home])).toBeNull();
    for (let count = 0; count < 5; count++) expect(await other.take([ada, home])).not.toBeNull();
    expect(await other.take([home])).toBeNull();
    expect(await window.take([home])).not.toBeNull();
  });

  test('a server takes back what another one counted, and looking counts nothing', async () => {
    const [window, other] = await openPair(redisUrl);
    const limits = [{ subject: 'person ada', most: 1 }];
    for (let count = 0; count < 3; count++) {
      expect(await other.retryAt(limits)).toBeNull();
      expect(await window.take(limits)).toBeNull();
      expect(await other.retryAt(limits)).not.toBeNull();
      await other.giveBack(['person ada', 'person unheard-of']);
    }
  });

  test('windows of different names and of different installations are apart, and nothing is asked for no subject', async () => {
    const connection = await connectRedis(redisUrl);
    const createWindow = windowsOn(connection, newInstallation());
    const limits = [{ subject: 'person ada', most: 1 }];
    for (const window of [
      createWindow('one', MINUTE_MS),
      createWindow('two', MINUTE_MS),
      windowsOn(connection, newInstallation())('one', MINUTE_MS),
    ])
      expect(await window.take(limits)).toBeNull();
    expect(await createWindow('one', MINUTE_MS).take(limits)).not.toBeNull();
    expect(await createWindow('one', MINUTE_MS).take([])).toBeNull();
    expect(await createWindow('one', MINUTE_MS).take([{ subject: 'all', most: Infinity }])).toBeNull();
  });

  test('a server whose own clock is wrong says how long to wait all the same, by the clock of Redis', async () => {
    const [window, other] = await openPair(redisUrl);
    const limits = [{ subject: 'person ada', most: 1 }];
    await window.take(limits);
    const nowMs = new Date('2001-01-01T00:00:00Z').getTime();
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
    const retryAt = (await other.take(limits))?.getTime() ?? 0;
    expect(retryAt - nowMs).toBeGreaterThan(MINUTE_MS - 10_000);
    expect(retryAt - nowMs).toBeLessThanOrEqual(MINUTE_MS);
  });

  test('a count is forgotten after the window, and Redis keeps no more than the limit and nothing after it', async () => {
    const installationId = newInstallation();
    const window = windowsOn(await connectRedis(redisUrl), installationId)('short', 400);
    const limits = [{ subject: 'person ada', most: 3 }];
    const taken = [];
    for (let count = 0; count < 10; count++) taken.push(await window.take(limits));
    expect(taken.filter((retryAt) => retryAt === null)).toHaveLength(3);
    const client = await rawClient(redisUrl);
    const [key = ''] = await client.keys(`*${installationId}*`);
    expect(await client.zCard(key)).toBe(3);
    expect(await client.pTTL(key)).toBeLessThanOrEqual(400);
    await eventually('the key is gone', async () => (await client.keys(`*${installationId}*`)).length === 0);
    expect(await window.take(limits)).toBeNull();
  });

  test('three servers make ten checks of a person at most that are refused, also when all are asked for at once', async () => {
    const servers = await openCheckLimits(redisUrl, 3);
    let made = 0;
    const asked = Array.from({ length: 15 }, () =>
      servers.map((limits) =>
        limits.run(ADA, async () => {
          made += 1;
          return { result: REFUSED };
        }),
      ),
    ).flat();
    await Promise.allSettled(asked);
    expect(made).toBe(10);
  });

  test('a check that runs on another server counts as refused until it ends, and not after it was accepted', async () => {
    const [here, there] = await openCheckLimits(redisUrl, 2);
    if (here === undefined || there === undefined) return expect.unreachable();
    const running = Promise.withResolvers<{ result: CheckResult }>();
    let begun = 0;
    const checks = Array.from({ length: 10 }, () =>
      here.run(ADA, () => {
        begun += 1;
        return running.promise;
      }),
    );
    await eventually('ten checks run', () => begun === 10);
    const accepted = () => there.run(ADA, async () => ({ result: ACCEPTED }));
    await expect(accepted()).rejects.toMatchObject({ code: 'BUSY' });
    running.resolve({ result: ACCEPTED });
    await Promise.all(checks);
    await accepted();
  });
});

describe.runIf(redisUrl !== '')('two servers with one REDIS_URL', () => {
  test('two servers take as few wrong passwords for an account as one', async () => {
    const env = {
      DATABASE_URL: 'postgres://127.0.0.1/latchkey',
      LATCHKEY_AUTH_SECRET: randomBytes(32).toString('base64'),
      REDIS_URL: redisUrl,
    };
    const attempts = { ...DEFAULT_ATTEMPTS, signInsPerAccount: 3 };
    await using here = await startTestServer(env, { attempts });
    await using there = await startTestServer(env, { attempts });
    const { email } = await here.signUp();
    const statuses: number[] = [];
    for (const server of [here, there, here, there, here]) {
      const wrong = { email, password: 'wrong' };
      statuses.push((await postAccount(server, 'sign-in/email', wrong)).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });
});

describe.runIf(canStartRedis)('a Redis that a test may break', () => {
  test('Redis sees no email, no address, no id and no secret', async () => {
    const redis = await startRedis();
    const commands: string[] = [];
    const watcher = await rawClient(redis.url);
    await watcher.monitor((command) => void commands.push(command));
    const createWindow = windowsOn(await connectRedis(redis.url), newInstallation());
    const limits = new AttemptLimits(DEFAULT_ATTEMPTS, new Networks([]), createWindow);
    const attempt = { account: 'ada@example.com', address: '203.0.113.7', isKnownAddress: false };
    await limits.takePassword(attempt);
    await limits.takeSignUp('2001:db8:1:2::7');
    await limits.giveBackPassword({ ...attempt, account: 'usr_0123456789' });
    const client = await rawClient(redis.url);
    const keys = await client.keys('*');
    expect(keys).toHaveLength(4);
    const members = await Promise.all(keys.map((key) => client.zRange(key, 0, -1)));
    await eventually('the commands were seen', () =>
      commands.some((command) => command.toUpperCase().includes('ZRANGE')),
    );
    const seen = JSON.stringify([keys, members, commands]);
    expect(seen).toMatch(/evalsha/i);
    for (const secret of ['ada', 'example', '203.0.113', '2001:db8', 'usr_', AUTH_SECRET])
      expect(seen).not.toContain(secret);
  });

  test('a script that Redis has forgotten is sent again, and flushing it only loses the counts', async () => {
    const redis = await startRedis();
    const [window, other] = await openPair(redis.url);
    const limits = [{ subject: 'person ada', most: 1 }];
    const client = await rawClient(redis.url);
    await window.take(limits);
    await client.scriptFlush();
    expect(await other.take(limits)).not.toBeNull();
    await client.flushAll();
    expect(await other.take(limits)).toBeNull();
    expect(await window.take(limits)).not.toBeNull();
  });

  test('while Redis is gone each server decides by what it has counted, and together again once it is back', async () => {
    const redis = await startRedis();
    const [window, other] = await openPair(redis.url);
    const limits = [{ subject: 'person ada', most: 2 }];
    expect(await window.take(limits)).toBeNull();
    const asked = Array.from({ length: 20 }, () => [window.take(limits), other.take(limits)]).flat();
    await redis.kill();
    await Promise.all(asked);
    expect(await window.take(limits)).not.toBeNull();
    const fresh = [{ subject: 'person eve', most: 2 }];
    expect(await Promise.all([1, 2, 3].map(() => window.take(fresh)))).toEqual([
      null,
      null,
      expect.any(Date),
    ]);
    expect(await Promise.all([1, 2, 3].map(() => other.take(fresh)))).toEqual([null, null, expect.any(Date)]);
    await startRedis(Number(new URL(redis.url).port));
    await eventually('they count together again', async () => {
      const subject = `person ${crypto.randomUUID()}`;
      await window.take([{ subject, most: 1 }]);
      return (await other.retryAt([{ subject, most: 1 }])) !== null;
    });
  });

  test('a Redis that has no memory left is as good as none', async () => {
    const redis = await startRedis();
    const lines = captureLog((line) => line.includes('"connection"'));
    const window = await openWindow(redis.url);
    const client = await rawClient(redis.url);
    await client.configSet('maxmemory', '1');
    const limits = [{ subject: 'person ada', most: 2 }];
    const taken = [await window.take(limits), await window.take(limits), await window.take(limits)];
    expect(taken).toEqual([null, null, expect.any(Date)]);
    expect(lines.map((line) => JSON.parse(line).failure)).toEqual(['OOM']);
  });

  test('a Redis that hangs costs one call a quarter of a second, and is asked again after it goes on', async () => {
    const redis = await startRedis();
    const [window, other] = await openPair(redis.url);
    const limits = [{ subject: 'person ada', most: 1_000 }];
    await window.take(limits);
    redis.process.kill('SIGSTOP');
    expect(await msOf(() => window.take(limits))).toBeGreaterThan(200);
    expect(
      await msOf(async () => {
        for (let count = 0; count < 50; count++) await window.take(limits);
      }),
    ).toBeLessThan(200);
    redis.process.kill('SIGCONT');
    await eventually('it is asked again', async () => {
      const subject = `person ${crypto.randomUUID()}`;
      await window.take([{ subject, most: 1 }]);
      return (await other.retryAt([{ subject, most: 1 }])) !== null;
    });
  });
});

describe('a server whose Redis is away', () => {
  test.each([
    ['nothing listens', async () => `redis://127.0.0.1:${await freePort()}`],
    ['connections are taken and nothing is said', async () => (await startFakeRedis(() => null)).url],
    ['no password is right', async () => (await startFakeRedis(() => '-WRONGPASS no\r\n')).url],
    ['every count is refused', async () => (await startFakeRedis(healthy(() => '-OOM no memory\r\n'))).url],
  ])('a server decides at once by itself while %s', async (_what, start) => {
    const connection = await dialRedis(await start());
    await connection.refuseCluster();
    const window = windowsOn(connection)('tries', MINUTE_MS);
    const limits = [{ subject: 'person ada', most: 2 }];
    const taken: (Date | null)[] = [];
    const spentMs = await msOf(async () => {
      for (let count = 0; count < 3; count++) taken.push(await window.take(limits));
      await window.giveBack(['person ada']);
      taken.push(await window.retryAt(limits), await window.take(limits), await window.take(limits));
    });
    expect(taken).toEqual([null, null, expect.any(Date), null, null, expect.any(Date)]);
    expect(spentMs).toBeLessThan(200);
  });

  test('a server connects again when a connection says nothing for three seconds', async () => {
    const fake = await startFakeRedis(healthy(() => null));
    const window = windowsOn(await connectRedis(fake.url))('tries', MINUTE_MS);
    await eventually(
      'another connection',
      async () => {
        await window.take([{ subject: 'person ada', most: 1 }]);
        return fake.dialled > 1;
      },
      8_000,
    );
  });

  test('a server without its Redis still makes ten refused checks of a person and no more', async () => {
    const connection = await dialRedis(`redis://127.0.0.1:${await freePort()}`);
    const limits = newCheckLimits(windowsOn(connection));
    const asked = Array.from({ length: 15 }, () => limits.run(ADA, async () => ({ result: REFUSED })));
    const ended = await Promise.allSettled(asked);
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });
});

const ADA: Viewer = {
  id: 'usr_ada',
  sessionId: 'session',
  name: 'Ada',
  email: 'ada@example.com',
  address: '192.0.2.1',
};

function windowsOn(
  connection: Parameters<typeof openRedisWindows>[0]['connection'],
  installationId = newInstallation(),
): CreateWindow {
  return openRedisWindows({ connection, installationId, authSecret: AUTH_SECRET });
}

/** The same window on several servers, each with a connection of its own. */
async function openWindows(url: string, count: number): Promise<SlidingWindow[]> {
  const installationId = newInstallation();
  return await Promise.all(
    Array.from({ length: count }, async () =>
      windowsOn(await connectRedis(url), installationId)('tries', MINUTE_MS),
    ),
  );
}

async function openPair(url: string): Promise<[SlidingWindow, SlidingWindow]> {
  const [window, other] = await openWindows(url, 2);
  return [window ?? expect.unreachable(), other ?? expect.unreachable()];
}

async function openWindow(url: string): Promise<SlidingWindow> {
  return windowsOn(await connectRedis(url))('tries', MINUTE_MS);
}

async function openCheckLimits(url: string, count: number): Promise<CheckLimits[]> {
  const installationId = newInstallation();
  return await Promise.all(
    Array.from({ length: count }, async () =>
      newCheckLimits(windowsOn(await connectRedis(url), installationId)),
    ),
  );
}

function newCheckLimits(createWindow: CreateWindow): CheckLimits {
  return new CheckLimits({ keyChecksPerPerson: 10, keyChecksPerAddress: 30 }, new Networks([]), createWindow);
}

/** A client that does what a test says, beside those of the servers. */
async function rawClient(url: string) {
  const client = createClient({ url, RESP: 2 });
  client.on('error', () => {});
  onTestFinished(() => client.destroy());
  await client.connect();
  return client;
}

function newInstallation(): string {
  return `test-${crypto.randomUUID()}`;
}

async function msOf(act: () => Promise<unknown>): Promise<number> {
  const beganAtMs = performance.now();
  await act();
  return performance.now() - beganAtMs;
}
