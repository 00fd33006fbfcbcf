import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { asc } from 'drizzle-orm';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { describe, expect, inject, test } from 'vitest';
import type { Database } from '../src/db/database.ts';
import { retryConflicts } from '../src/db/retry-conflicts.ts';
import { transactionAtOnce } from '../src/db/transaction-at-once.ts';
import { failureCode } from '../src/log.ts';
import { freshDatabase } from './kit/database.ts';
import { openProxied } from './kit/proxied-database.ts';
import { recordStatements } from './kit/statements.ts';

const serverUrl = inject('postgresUrl');

const numbers = pgTable('numbers', {
  id: integer('id').primaryKey(),
  next: integer('next').notNull(),
});

const CREATE_NUMBERS = `create table numbers
  (id int primary key, next int not null references numbers deferrable initially deferred)`;

/** A database with a table of numbers, each of which names another one that is there when its transaction ends. */
async function openNumbers() {
  const database = await freshDatabase();
  await database.db.execute(CREATE_NUMBERS);
  return { db: database.db, [Symbol.asyncDispose]: () => database.close() };
}

function insert(db: Pick<Database, 'insert'>, id: number, next = id) {
  return db.insert(numbers).values({ id, next }).returning({ id: numbers.id });
}

/** The same, to be sent in a transaction at once. */
function add(id: number, next = id) {
  return { text: 'insert into numbers (id, next) values ($1, $2) returning id', parameters: [id, next] };
}

function run(text: string) {
  return { text, parameters: [] };
}

async function ids(db: Database): Promise<number[]> {
  return (await db.select().from(numbers).orderBy(asc(numbers.id))).map(({ id }) => id);
}

function firstWord(text: string): string | undefined {
  return text.split(' ')[0];
}

async function codeOf(failing: Promise<unknown> = Promise.resolve()): Promise<string | undefined> {
  return await failing.then(
    () => 'no failure',
    (error) => failureCode(error),
  );
}

test('a transaction at once sends its statements in their order, and the last reply comes before the end', async () => {
  await using place = await openNumbers();
  using sent = recordStatements();
  const { replies, committed } = transactionAtOnce(place.db, [
    add(1),
    run(`update numbers set id = 2, next = 2`),
    run('select id, next from numbers'),
    add(3),
  ]);
  const order: string[] = [];
  await Promise.all([
    replies[3]?.then(([row]) => order.push(`reply ${row?.[0]}`)),
    committed.then(() => order.push('committed')),
  ]);
  expect(order).toEqual(['reply 3', 'committed']);
  expect(await replies[0]).toEqual([[1]]);
  expect(sent.texts.map(firstWord)).toEqual([...['begin', 'insert', 'update', 'select', 'insert', 'commit']]);
  expect(await ids(place.db)).toEqual([2, 3]);
});

test.each(['first', 'last'])(
  'a transaction at once whose %s statement fails saves nothing',
  async (which) => {
    await using place = await openNumbers();
    const { db } = place;
    await insert(db, 1);
    const { replies, committed } = transactionAtOnce(
      db,
      which === 'first' ? [add(1), add(2)] : [add(2), add(1)],
    );
    expect(await codeOf(committed)).toBe('23505');
    expect(await codeOf(replies.at(which === 'first' ? 0 : 1))).toBe('23505');
    expect(await codeOf(replies.at(0))).toBe(which === 'first' ? '23505' : 'no failure');
    await expect(replies[1]).rejects.toThrow();
    expect(await ids(db)).toEqual([1]);
    await insert(db, 2);
  },
);

test('a transaction at once whose commit fails saves nothing, and the next one is not part of it', async () => {
  await using place = await openNumbers();
  const { db } = place;
  const { replies, committed } = transactionAtOnce(db, [add(1, 2)]);
  const next = transactionAtOnce(db, [add(3)]);
  expect(await replies[0]).toEqual([[1]]);
  expect(await codeOf(committed)).toBe('23503');
  await next.committed;
  expect(await ids(db)).toEqual([3]);
});

test('a transaction at once does not wait for the end of the one before', async () => {
  await using place = await openNumbers();
  const { db } = place;
  using sent = recordStatements();
  const first = transactionAtOnce(db, [add(1)]);
  const second = transactionAtOnce(db, [add(2)]);
  await first.replies[0];
  expect(sent.texts.map(firstWord).filter((word) => word === 'commit')).toHaveLength(2);
  await Promise.all([first.committed, second.committed]);
  expect(await ids(db)).toEqual([1, 2]);
});

test('a transaction at once without a statement is an empty one', async () => {
  await using place = await openNumbers();
  await transactionAtOnce(place.db, []).committed;
});

test('a transaction at once is retried as a whole after a conflict', async () => {
  await using place = await openNumbers();
  const { db } = place;
  await db.execute('create sequence tries');
  await db.execute(`create function conflict_twice() returns int language plpgsql as $$ begin
    if nextval('tries') < 3 then raise exception using errcode = '40001'; end if; return 1; end $$`);
  await retryConflicts(async () => {
    const { committed } = transactionAtOnce(db, [add(1), run('select conflict_twice()'), add(2)]);
    await committed;
  });
  expect(await ids(db)).toEqual([1, 2]);
});

test('a counter of statements receives their text alone', async () => {
  await using place = await openNumbers();
  const messages: unknown[] = [];
  const record = (message: unknown) => {
    messages.push(message);
  };
  subscribe('latchkey:statement', record);
  await place.db
    .transaction((tx) => insert(tx, 12_345))
    .finally(() => unsubscribe('latchkey:statement', record));
  await insert(place.db, 2);
  expect(messages).toEqual([
    { text: 'begin' },
    { text: 'insert into "numbers" ("id", "next") values ($1, $2) returning "id"' },
    { text: 'commit' },
  ]);
});

describe.runIf(serverUrl !== undefined)('on a PostgreSQL server', () => {
  test('a transaction at once is sent without a wait for any reply', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await insert(db, 1);
    using sent = recordStatements();
    proxy.silence();
    const { replies, committed } = transactionAtOnce(db, [add(2), add(3)]);
    expect(await codeOf(committed)).toBe('NO_REPLY');
    for (const reply of replies) expect(await codeOf(reply)).toBe('NO_REPLY');
    expect(sent.texts.map(firstWord)).toEqual(['begin', 'insert', 'insert', 'commit']);
    await proxy.restore();
    await insert(db, 4);
    expect(await ids(db)).toContain(4);
  });

  test('a transaction sends its first statement without a wait for the reply to begin', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    await insert(db, 1);
    using sent = recordStatements();
    proxy.silence();
    expect(await codeOf(db.transaction((tx) => insert(tx, 2)))).toBe('NO_REPLY');
    expect(sent.texts.map(firstWord)).toEqual(['begin', 'insert']);
  });

  test('a transaction at once whose connection is closed in the middle is not saved', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db } = way;
    const { replies, committed } = transactionAtOnce(db, [
      add(1),
      run('select pg_terminate_backend(pg_backend_pid())'),
      add(2),
    ]);
    expect(['57P01', 'CONNECTION_CLOSED']).toContain(await codeOf(committed));
    for (const reply of replies.slice(1))
      expect(['57P01', 'CONNECTION_CLOSED']).toContain(await codeOf(reply));
    expect(await ids(db)).toEqual([]);
  });

  test('a transaction at once whose replies are lost fails, and the next one has another connection', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, proxy } = way;
    proxy.loseReplyTo('commit');
    const { committed } = transactionAtOnce(db, [add(1), add(2)]);
    expect(['ECONNRESET', 'CONNECTION_CLOSED']).toContain(await codeOf(committed));
    await transactionAtOnce(db, [add(3)]).committed;
    expect(await ids(db)).toEqual([1, 2, 3]);
  });

  test('a prepared statement that PostgreSQL refuses after a migration is not repeated outside of its transaction', async () => {
    await using way = await openProxied(CREATE_NUMBERS);
    const { db, beside } = way;
    for (const id of [1, 2, 3]) await transactionAtOnce(db, [add(id), add(id + 10)]).committed;
    await beside`alter table numbers alter column id type bigint`;
    const { committed } = transactionAtOnce(db, [add(4), add(14)]);
    await expect(committed).rejects.toThrow();
    await transactionAtOnce(db, [add(5)]).committed;
    expect(await beside`select id::int from numbers order by id`.values()).toEqual(
      [1, 2, 3, 5, 11, 12, 13].map((id) => [id]),
    );
  });
});
