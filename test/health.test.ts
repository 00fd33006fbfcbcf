import { sql } from 'drizzle-orm';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { createLiveness } from '../src/server/liveness.ts';
import { freshDatabase } from './kit/database.ts';
import { startTestServer } from './kit/server.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test.runIf(inject('postgresUrl') === undefined)(
  'a server is not ready while its database takes no writes, and lives on',
  async () => {
    const database = await freshDatabase();
    await using server = await startTestServer({}, { database });
    const statusOf = async (name: string) => (await fetch(`${server.url}/health/${name}`)).status;
    expect([await statusOf('live'), await statusOf('ready')]).toEqual([200, 200]);
    await database.db.execute(sql`set default_transaction_read_only = on`);
    expect([await statusOf('live'), await statusOf('ready')]).toEqual([200, 503]);
    await database.db.execute(sql`set default_transaction_read_only = off`);
    expect(await statusOf('ready')).toBe(200);
  },
);

test('a process whose embedded database stays silent ends for its supervisor, one with a server does not', async () => {
  const database = await freshDatabase();
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const [isEmbeddedLive, isServerLive] = [
    createLiveness(database.db, true),
    createLiveness(database.db, false),
  ];
  const select = vi
    .spyOn(database.db, 'select')
    .mockReturnValue({ from: () => new Promise(() => {}) } as never);
  const silent = isEmbeddedLive();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await silent).toBe(true);
  await vi.advanceTimersByTimeAsync(18_000);
  const later = isEmbeddedLive();
  await vi.advanceTimersByTimeAsync(2_000);
  expect([await later, await isServerLive()]).toEqual([false, true]);
  select.mockRestore();
  vi.useRealTimers();
  expect(await isEmbeddedLive()).toBe(true);
});
