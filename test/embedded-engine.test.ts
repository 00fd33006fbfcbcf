import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { describe, expect, inject, test, vi } from 'vitest';
import { openDatabase } from '../src/db/database.ts';
import { refreshStatistics } from '../src/db/embedded-statistics.ts';
import { failureCode } from '../src/log.ts';
import { createLiveness } from '../src/server/liveness.ts';
import { newDataFolder } from './kit/command.ts';
import { freshDatabase } from './kit/database.ts';
import { recordStatements } from './kit/statements.ts';

const numbers = pgTable('numbers', { id: integer('id').primaryKey() });

describe.runIf(inject('postgresUrl') === undefined)('the embedded database', { timeout: 60_000 }, () => {
  async function openNumbers() {
    const { db, close } = await freshDatabase();
    await db.execute('create table numbers (id int primary key)');
    return { db, [Symbol.asyncDispose]: close };
  }

  test('the event loop goes on while the embedded database executes a statement', async () => {
    await using place = await openNumbers();
    const order: string[] = [];
    const slow = place.db.execute('select pg_sleep(0.5)').then(() => order.push('reply'));
    await setImmediate();
    order.push('event loop');
    await slow;
    expect(order).toEqual(['event loop', 'reply']);
  });

  test('other statements and transactions wait for a transaction of the embedded database, and follow in their order', async () => {
    await using place = await openNumbers();
    const { db } = place;
    using sent = recordStatements();
    const insert = async (id: number) => {
      await db.insert(numbers).values({ id });
    };
    const later: Promise<unknown>[] = [];
    await db.transaction(async (tx) => {
      await tx.insert(numbers).values({ id: 1 });
      const works = [
        () => insert(2),
        () => db.transaction((other) => other.delete(numbers)),
        () => insert(3),
      ];
      for (const work of works) {
        later.push(work());
        await setImmediate();
      }
      expect(await tx.select().from(numbers)).toEqual([{ id: 1 }]);
    });
    await Promise.all(later);
    expect(await db.select().from(numbers)).toEqual([{ id: 3 }]);
    expect(sent.texts.map((text) => text.split(' ')[0])).toEqual([
      ...['begin', 'insert', 'select', 'commit', 'insert', 'begin', 'delete', 'commit', 'insert', 'select'],
    ]);
  });

  test('the embedded database knows how many rows a table has after many were added, and again after more', async () => {
    await using place = await openNumbers();
    const { db } = place;
    const rows = () => db.execute(sql`select reltuples::int from pg_class where relname = 'numbers'`);
    for (const count of [2_000, 4_000]) {
      await db.execute(sql`insert into numbers select generate_series(${count} - 1_999, ${count})`);
      await db.execute(sql`select pg_stat_force_next_flush()`);
      await refreshStatistics(db);
      expect(await rows()).toMatchObject([{ reltuples: count }]);
    }
  });

  test('the embedded database knows how many rows a table has after it was closed right after they were added', async () => {
    const dataDir = await newDataFolder();
    const open = () => openDatabase({ databaseUrl: undefined, dataDir }, () => {});
    const first = await open();
    await first.db.execute('create table numbers (id int primary key)');
    await first.db.execute('insert into numbers select generate_series(1, 2_000)');
    await first.close();
    const { db, close } = await open();
    const rows = await db.execute(sql`select reltuples::int from pg_class where relname = 'numbers'`);
    await close();
    expect(rows).toMatchObject([{ reltuples: 2_000 }]);
  });

  test('a statement that fails between others of the embedded database fails alone', async () => {
    await using place = await openNumbers();
    const { db } = place;
    const outcomes = await Promise.allSettled([1, 2, 2, 3].map((id) => db.insert(numbers).values({ id })));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  });

  test('endless recursion ends a statement, not the embedded database', async () => {
    await using place = await openNumbers();
    const { db } = place;
    await db.execute(
      'create function endless() returns int language plpgsql as $$ begin return endless(); end $$',
    );
    expect(await codeOf(db.execute('select endless()'))).toBe('54001');
    await db.insert(numbers).values({ id: 1 });
  });

  test('an embedded database that cannot write its log stops, every statement fails, and the next start finds all that was saved', async () => {
    const dataDir = await newDataFolder();
    const lost = vi.fn();
    const { db, close } = await openDatabase({ databaseUrl: undefined, dataDir }, () => {}, lost);
    await db.execute('create table numbers (id int primary key)');
    await db.insert(numbers).values({ id: 1 });
    const log = join(dataDir, 'database', 'pg_wal');
    const files = await takeAway(log);
    await db.execute('select pg_switch_wal()'); // the next write makes a file
    const insert = () => db.insert(numbers).values({ id: 2 });
    const failures = [insert(), db.transaction((tx) => tx.insert(numbers).values({ id: 3 })), insert()].map(
      codeOf,
    );
    expect(await Promise.all(failures)).toEqual(Array(3).fill('CONNECTION_CLOSED'));
    expect(await codeOf(db.select().from(numbers))).toBe('CONNECTION_CLOSED');
    await vi.waitFor(() => expect(lost).toHaveBeenCalledOnce());

    vi.useFakeTimers({ toFake: ['performance'] });
    const isLive = createLiveness(db, true);
    await isLive();
    vi.advanceTimersByTime(60_000);
    expect(await isLive()).toBe(false);
    vi.useRealTimers();
    await close();

    await files.putBack();
    const next = await openDatabase({ databaseUrl: undefined, dataDir });
    expect(await next.db.select().from(numbers)).toEqual([{ id: 1 }]);
    await next.close();
  });
});

/** Moves a folder away and puts a file in its place, in which nothing can be made. */
async function takeAway(folder: string): Promise<{ putBack(): Promise<void> }> {
  const aside = `${folder}-aside`;
  await rename(folder, aside);
  await writeFile(folder, '');
  return {
    async putBack() {
      await rm(folder);
      await rename(aside, folder);
    },
  };
}

async function codeOf(failing: Promise<unknown>): Promise<string | undefined> {
  return failureCode(await failing.catch((error: unknown) => error));
}
