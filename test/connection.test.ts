import { asc, eq, sql } from 'drizzle-orm';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { describe, expect, inject, test } from 'vitest';
import { type Database, openDatabase } from '../src/db/database.ts';
import { retryConflicts } from '../src/db/retry-conflicts.ts';
import { createDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { openProxied } from './kit/proxied-database.ts';

const serverUrl = inject('postgresUrl');

describe.runIf(serverUrl !== undefined).concurrent('connections to a PostgreSQL server', () => {
  const CREATE_NUMBERS = 'create table numbers (id integer primary key, value integer not null default 0)';

  const numbers = pgTable('numbers', { id: integer('id').primaryKey(), value: integer('value').notNull() });

  async function insert(db: Pick<Database, 'insert'>, id: number): Promise<void> {
    await db.insert(numbers).values({ id, value: 0 });
  }

  async function ids(db: Database): Promise<number[]> {
    return (await db.select().from(numbers).orderBy(asc(numbers.id))).map(({ id }) => id);
  }

  /** The server's process behind a transaction. */
  async function processOf(tx: Pick<Database, 'select'>): Promise<number> {
    const [row] = await tx.select({ pid: sql<number>`pg_backend_pid()` }).from(sql`(select 1) as one`);
    return row?.pid ?? 0;
  }

  test('one that breaks before the first statement was sent fails that statement and nothing else', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await proxy.cut();
    await proxy.restore();
    // The driver may have questions of its own at first, whose failure no caller would handle.
    proxy.loseReplyTo('pg_catalog');
    await insert(db, 1).catch(() => {});
    await insert(db, 2);
    expect(await ids(db)).toContain(2);
  });

  test.each(['while a statement runs', 'between two statements'])(
    'one that ends %s ends its transaction, of which nothing is kept and nothing is sent elsewhere',
    async (when) => {
      await using way = await openProxied(CREATE_NUMBERS);
      const { db, beside } = way;
      const ended = Promise.withResolvers<void>();
      const late: Promise<unknown>[] = [];
      const transaction = db.transaction(async (tx) => {
        await insert(tx, 1);
        const pid = await processOf(tx);
        if (when === 'while a statement runs') {
          const running = tx.execute(sql`select pg_sleep(3)`);
          await beside`select pg_terminate_backend(${pid})`;
          await running;
        }
        await beside`select pg_terminate_backend(${pid})`;
        late.push(ended.promise.then(() => insert(tx, 2)));
        await ended.promise;
      });
      if (when === 'between two statements') {
        // Others go on meanwhile, over connections that may be the next of this one.
        for (const id of [3, 4]) await db.transaction((tx) => insert(tx, id));
        ended.resolve();
      }
      await expect(transaction).rejects.toThrow();
      ended.resolve();
      for (const promise of late) await expect(promise).rejects.toThrow();
      await insert(db, 5);
      expect(await ids(db)).toEqual(when === 'between two statements' ? [3, 4, 5] : [5]);
    },
  );

  test('a statement after the end of its transaction is refused', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    let leaked: Pick<Database, 'insert'> | undefined;
    await db.transaction(async (tx) => {
      leaked = tx;
    });
    await expect(insert(leaked ?? db, 1)).rejects.toThrow();
    expect(await ids(db)).toEqual([]);
  });

  test('a transaction in which a statement failed is never reported as committed', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    await insert(db, 1);
    const transaction = db.transaction(async (tx) => {
      await insert(tx, 2);
      await insert(tx, 1).catch(() => {});
    });
    await expect(transaction).rejects.toThrow();
    expect(await ids(db)).toEqual([1]);
  });

  test('a transaction within a transaction is undone alone', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    await db.transaction(async (tx) => {
      await insert(tx, 1);
      await tx
        .transaction(async (nested) => {
          await insert(nested, 2);
          await expect(insert(nested, 1)).rejects.toThrow();
          throw new Error('undo this');
        })
        .catch(() => {});
      await insert(tx, 3);
    });
    expect(await ids(db)).toEqual([1, 3]);
  });

  test('silence is borne for some seconds only, and those that fell silent are not used again', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await Promise.all([1, 2, 3].map((id) => insert(db, id)));
    const before = proxy.dialled;
    proxy.silence();
    const startedAt = performance.now();
    const asked = await Promise.allSettled(Array.from({ length: 30 }, () => ids(db)));
    expect(asked.every(({ status }) => status === 'rejected')).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    await proxy.restore();
    expect(await ids(db)).toEqual([1, 2, 3]);
    expect(proxy.dialled).toBeGreaterThan(before);
  });

  test('a database server that was restarted is used again at once', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await Promise.all([1, 2, 3].map((id) => insert(db, id)));
    await proxy.cut();
    for (let attempt = 0; attempt < 20; attempt++) await expect(ids(db)).rejects.toThrow();
    await proxy.restore();
    expect(await ids(db)).toEqual([1, 2, 3]);
  });

  test('a slow statement is ended by the server and costs no connection', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await ids(db);
    const before = proxy.dialled;
    const failure: unknown = await db.execute(sql`select pg_sleep(20)`).catch((error: unknown) => error);
    expect(failure).toMatchObject({ cause: { code: '57014' } });
    await ids(db);
    expect(proxy.dialled).toBe(before);
  });

  test('what a lost connection had locked is free again within seconds', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy, beside } = way;
    await insert(db, 1);
    const transaction = db.transaction(async (tx) => {
      await tx.update(numbers).set({ value: 1 }).where(eq(numbers.id, 1));
      proxy.silence();
      await tx.update(numbers).set({ value: 2 }).where(eq(numbers.id, 1));
    });
    await expect(transaction).rejects.toThrow();
    await beside`update numbers set value = 3`;
    expect(await beside`select value from numbers`).toEqual([{ value: 3 }]);
  });

  test('a transaction does not wait for the statements that wait for a connection', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    const [one, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const begun: Promise<unknown>[] = [];
    const held = Array.from({ length: 10 }, (_, index) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      begun.push(promise);
      return db.transaction(async (tx) => {
        await processOf(tx);
        resolve();
        await (index === 0 ? one : rest).promise;
      });
    });
    await Promise.all(begun);
    const order: string[] = [];
    const read = ids(db).then(() => order.push('read'));
    const written = db.transaction((tx) => insert(tx, 1)).then(() => order.push('written'));
    one.resolve();
    await Promise.all([read, written]);
    expect(order).toEqual(['written', 'read']);
    rest.resolve();
    await Promise.all(held);
  });

  test('two transactions that wait for each other are both carried out', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    await insert(db, 1);
    await insert(db, 2);
    const both = { met: 0, meet: Promise.withResolvers<void>() };
    async function addTo(first: number, second: number): Promise<void> {
      await retryConflicts(() =>
        db.transaction(async (tx) => {
          await tx.update(numbers).set({ value: sql`value + 1` }).where(eq(numbers.id, first));
          both.met += 1;
          if (both.met === 2) both.meet.resolve();
          await both.meet.promise;
          await tx.update(numbers).set({ value: sql`value + 1` }).where(eq(numbers.id, second));
        }),
      );
    }
    await Promise.all([addTo(1, 2), addTo(2, 1)]);
    expect(both.met).toBe(3);
    expect(await db.select({ value: numbers.value }).from(numbers)).toEqual([{ value: 2 }, { value: 2 }]);
  });

  test('a statement that meets a deadlock is retried', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, beside } = way;
    await insert(db, 1);
    await insert(db, 2);
    const other = Promise.withResolvers<void>();
    const holding = beside.begin(async (tx) => {
      await tx`update numbers set value = value + 1 where id = 2`;
      other.resolve();
      await eventually('it waits', async () => {
        const [row] = await beside`select count(*)::int as waiting from pg_locks where not granted
          and pid in (select pid from pg_stat_activity where datname = current_database())`;
        return row?.waiting > 0;
      });
      await tx`update numbers set value = value + 1 where id = 1`;
    });
    await other.promise;
    // It has row 1 and waits for row 2, and finds out first, since it began to wait first.
    await db.execute(sql`update numbers set value = value + 1`);
    await holding;
    expect(await db.select({ value: numbers.value }).from(numbers)).toEqual([{ value: 2 }, { value: 2 }]);
  });

  test('of several hosts in the URL the next is tried when one does not answer', async () => {
    const { hostname, port } = new URL(serverUrl ?? '');
    const both = `127.0.0.2:${port || 5432},${hostname}:${port || 5432}`;
    const databaseUrl = await createDatabase(serverUrl ?? '');
    const opened = await openDatabase({
      databaseUrl: databaseUrl.replace(new URL(databaseUrl).host, both),
      dataDir: '',
    });
    expect(opened.engine).toContain('PostgreSQL');
    await opened.close();
  });
});
