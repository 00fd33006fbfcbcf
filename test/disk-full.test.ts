import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { explainFailure } from '../src/command/exit-code.ts';
import { openEmbedded } from '../src/db/database.ts';
import { DiskFullError } from '../src/db/embedded-client.ts';
import { failureCode } from '../src/log.ts';
import { createLiveness } from '../src/server/liveness.ts';
import { captureLog } from './kit/log.ts';
import { startTestServer } from './kit/server.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** An embedded database on a disk whose room the test decides. */
async function openOnDisk() {
  const client = await PGlite.create({ loadDataDir: await openAsBlob(inject('templateFile')) });
  const disk = { freeBytes: 2 ** 30 };
  const database = await openEmbedded(
    client,
    () => {},
    () => disk.freeBytes,
  );
  return { client, database, disk, [Symbol.asyncDispose]: () => database.close() };
}

describe.runIf(inject('postgresUrl') === undefined)('the embedded database', () => {
  test('the embedded database rolls back a transaction whose end failed, so that the next statement finds none', async () => {
    await using place = await openOnDisk();
    const { db } = place.database;
    await place.client.exec('begin');
    await place.client.exec('select no_such_column').catch(() => {});
    await expect(place.client.query('select 1')).rejects.toThrow(/transaction is aborted/);
    expect(await db.select({ one: sql`1` }).from(sql`(select 1) as probe`)).toEqual([{ one: 1 }]);
    expect(place.client.isInTransaction()).toBe(false);
  });

  test('the embedded database rolls back a failed commit before the next statement', async () => {
    await using place = await openOnDisk();
    const { db } = place.database;
    await db.execute(
      sql`create table pages (id int primary key, next int references pages deferrable initially deferred)`,
    );
    const commit = db.transaction((tx) => tx.execute(sql`insert into pages values (1, 2)`));
    const next = db.execute(sql`insert into pages values (3, null)`);
    await expect(commit).rejects.toThrow();
    await next;
    expect((await db.execute(sql`select id from pages`)) as object).toMatchObject({ rows: [{ id: 3 }] });
  });

  test('the embedded database reads but does not write while its disk is full, and writes again once there is room', async () => {
    captureLog();
    await using place = await openOnDisk();
    await using server = await startTestServer(
      {},
      { database: { ...place.database, close: async () => {} } },
    );
    const ada = await server.signUp();
    const statusOf = async (name: string) => (await fetch(`${server.url}/health/${name}`)).status;
    const write = () => ada.run('create-thread', { input: { workspaceId: ada.workspaceId } });

    place.disk.freeBytes = 2 ** 20;
    await expect(write()).rejects.toThrow('OVERLOADED');
    expect(await ada.run('viewer')).toMatchObject({ user: { id: ada.id } });
    expect([await statusOf('live'), await statusOf('ready')]).toEqual([200, 503]);

    place.disk.freeBytes = 2 ** 30;
    expect(await write()).toMatchObject({ __typename: 'CreateThreadPayload' });
    expect([await statusOf('live'), await statusOf('ready')]).toEqual([200, 200]);
  });

  test('the embedded database undoes a transaction in the middle of which its disk becomes full', async () => {
    captureLog();
    await using place = await openOnDisk();
    const { db } = place.database;
    await db.execute(sql`create table pages (id int)`);
    const written = db.transaction(async (tx) => {
      await tx.execute(sql`insert into pages values (1)`);
      place.disk.freeBytes = 0;
    });
    await expect(written).rejects.toThrow(DiskFullError);
    expect((await db.execute(sql`select * from pages`)) as object).toMatchObject({ rows: [] });
    expect(failureCode(await db.execute(sql`insert into pages values (2)`).catch((error) => error))).toBe(
      '25006',
    );
  });

  test('the embedded database is no reason to end the process while it only reads, however long', async () => {
    captureLog();
    await using place = await openOnDisk();
    place.disk.freeBytes = 0;
    vi.useFakeTimers({ toFake: ['performance'] });
    const isLive = createLiveness(place.database.db, true);
    expect(await isLive()).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(await isLive()).toBe(true);
  });

  test('the embedded database is not opened on a full disk, and the error says to free space', () => {
    expect(explainFailure(new DiskFullError())).toEqual({
      sentence: expect.stringMatching(/^The disk of the database is full\. Make room/),
      exitCode: 1,
    });
  });
});
