import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { eq, gte, sql } from 'drizzle-orm';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { explainFailure } from '../src/command/exit-code.ts';
import { type Database, openEmbedded } from '../src/db/database.ts';
import { DiskFullError } from '../src/db/embedded-session.ts';
import { transactionAtOnce } from '../src/db/transaction-at-once.ts';
import { failureCode } from '../src/log.ts';
import { createLiveness } from '../src/server/liveness.ts';
import { engineOf } from './kit/engine.ts';
import { captureLog } from './kit/log.ts';
import { startTestServer } from './kit/server.ts';

afterEach(() => {
  vi.useRealTimers();
});

const pages = pgTable('pages', { id: integer('id').notNull(), name: text('name').notNull() });

/** An embedded database on a disk whose room the test decides. */
async function openOnDisk() {
  const client = await PGlite.create({ loadDataDir: await openAsBlob(inject('templateFile')) });
  const disk = { freeBytes: 2 ** 30 };
  const database = await openEmbedded(engineOf(client, () => disk.freeBytes));
  return { client, database, disk, [Symbol.asyncDispose]: () => database.close() };
}

/** The driver sends it at once, and not together with what follows. */
const LONG = 'x'.repeat(2_000);

async function codeOf(failing: Promise<unknown>): Promise<string | undefined> {
  return failureCode(await failing.catch((error: unknown) => error));
}

describe.runIf(inject('postgresUrl') === undefined)('the embedded database', () => {
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
    expect([...(await db.execute(sql`select id from pages`))]).toEqual([{ id: 3 }]);
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
    expect(await codeOf(written)).toBe('53100');
    expect([...(await db.execute(sql`select * from pages`))]).toEqual([]);
    expect(await codeOf(db.execute(sql`insert into pages values (2)`))).toBe('25006');
  });

  test('the embedded database refuses each statement of such a transaction, and is the same as before once there is room', async () => {
    captureLog();
    await using place = await openOnDisk();
    const { db } = place.database;
    await db.execute(sql`create table pages (id int, name text)`);
    const insert = (tx: Pick<Database, 'insert'>, id: number) => tx.insert(pages).values({ id, name: 'one' });
    await insert(db, 0);
    // The second time this text is parsed, and sent once its parameters are known; from then on it is sent at once.
    for (const round of [1, 2, 3]) {
      const written = db.transaction(async (tx) => {
        await insert(tx, round);
        place.disk.freeBytes = 0;
        expect(await codeOf(insert(tx, round))).toBe('53100');
        expect(await codeOf(tx.select().from(pages).where(eq(pages.id, round)))).toBe('53100');
        if (round === 2) place.disk.freeBytes = 2 ** 30;
        expect(await codeOf(insert(tx, round))).toBe(round === 2 ? '25P02' : '53100');
      });
      await expect(written).rejects.toThrow();
      place.disk.freeBytes = 2 ** 30;
      expect(await db.select({ id: pages.id }).from(pages)).toEqual([{ id: 0 }]);
    }
    await insert(db, 4);
  });

  test('the embedded database saves nothing of a transaction that is sent at once to a full disk', async () => {
    captureLog();
    await using place = await openOnDisk();
    const { db } = place.database;
    await db.execute(sql`create table pages (id int, name text)`);
    place.disk.freeBytes = 0;
    const read = { text: 'select id from pages', parameters: [] };
    const write = { text: 'insert into pages (id, name) values (1, $1)', parameters: ['one'] };
    const { replies, committed } = transactionAtOnce(db, [read, write]);
    expect(await replies[0]).toEqual([]);
    expect(await codeOf(committed)).toBe('25006');
    place.disk.freeBytes = 2 ** 30;
    await transactionAtOnce(db, [write]).committed;
    expect(await db.select().from(pages)).toEqual([{ id: 1, name: 'one' }]);
  });

  test('of transactions that are sent at once behind each other the embedded database saves those that it says it saved, wherever its disk becomes full', async () => {
    captureLog();
    await using place = await openOnDisk();
    const { db } = place.database;
    await db.execute(sql`create table pages (id int primary key, name text)`);
    const write = (id: number) => ({
      text: 'insert into pages (id, name) values ($1, $2)',
      parameters: [id, LONG],
    });
    let looksLeft = Number.POSITIVE_INFINITY;
    Object.defineProperty(place.disk, 'freeBytes', { get: () => (looksLeft-- > 0 ? 2 ** 30 : 0) });
    let refused = 0;
    for (let looks = 0; looks < 24; looks++) {
      looksLeft = looks;
      const numbers = [0, 1, 2, 3, 4].map((place) => 100 * looks + 2 * place);
      const outcomes = await Promise.allSettled(
        numbers.map((id) => transactionAtOnce(db, [write(id), write(id + 1)]).committed),
      );
      looksLeft = Number.POSITIVE_INFINITY;
      const saved = await db
        .select({ id: pages.id })
        .from(pages)
        .where(gte(pages.id, 100 * looks));
      const told = numbers.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      expect(saved.map(({ id }) => id)).toEqual(told.flatMap((id) => [id, id + 1]));
      refused += numbers.length - told.length;
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(['25006', '53100']).toContain(failureCode(outcome.reason));
    }
    expect(refused).toBeGreaterThan(5);
    expect(refused).toBeLessThan(115);
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
