import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { type Database, type OpenDatabase, openDatabase, openEmbedded } from '../../src/db/database.ts';
import { type Lend, lenders, lendersOf } from '../../src/db/driver.ts';
import { startEngine } from '../../src/db/embedded-engine.ts';

/** The database that all tests of a worker share; each makes its own users and workspaces. Never closed. */
export function sharedDatabase(): Promise<OpenDatabase> {
  shared ??= freshDatabase().then((database) => ({ ...database, close: async () => {} }));
  return shared;
}

let shared: Promise<OpenDatabase> | undefined;

/** An empty, migrated database of its own, for tests that count rows or break things. */
export async function freshDatabase(): Promise<OpenDatabase> {
  const serverUrl = inject('postgresUrl');
  if (serverUrl !== undefined)
    return await openDatabase({ databaseUrl: await createMigratedDatabase(serverUrl), dataDir: '' });
  return await openEmbedded(await startEngine({ template: inject('templateFile') }));
}

/** Makes an empty, migrated database on the PostgreSQL server under test and gives its URL. */
export async function createMigratedDatabase(serverUrl: string): Promise<string> {
  return await createDatabase(serverUrl, inject('templateDatabase'));
}

/** Makes a database without a table on the PostgreSQL server under test, or a copy of another, and gives its URL. */
export async function createDatabase(serverUrl: string, template = 'template1'): Promise<string> {
  const name = inject('databasePrefix') + randomBytes(4).toString('hex');
  const client = postgres(serverUrl, { max: 1 });
  await client`create database ${client(name)} template ${client(template)}`;
  await client.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Does something right before the next transaction begins: its code has done its earlier reads by then. */
export function beforeNextTransaction({ db }: { db: Database }, meanwhile: () => Promise<unknown>): void {
  replaceNextTransaction(db, async (run) => {
    await meanwhile();
    return await run();
  });
}

/** Does something in the place of the next transaction, which is carried out by `run`. */
export function replaceNextTransaction(
  db: Database,
  replace: <Result>(run: () => Promise<Result>) => Promise<Result>,
): void {
  const given = lendersOf(db);
  const replaced =
    (lend: Lend): Lend =>
    async (work) => {
      lenders.set(db, given);
      return await replace(() => lend(work));
    };
  lenders.set(db, { alone: replaced(given.alone), atOnce: replaced(given.atOnce) });
}

/**
 * Lets the next statements of this text fail, until all of them have or it is disposed of. Those of a transaction are not among
 * them.
 */
export function failStatements(
  db: Database,
  text: RegExp,
  failure: Error,
  times = Number.POSITIVE_INFINITY,
): { left: number } & Disposable {
  const client = (db as Database & { $client: Client }).$client;
  const { unsafe } = client;
  const failing = {
    left: times,
    [Symbol.dispose]() {
      client.unsafe = unsafe;
    },
  };
  client.unsafe = (given, ...rest) => {
    if (failing.left === 0 || !text.test(given)) return unsafe(given, ...rest);
    failing.left -= 1;
    const reply = Promise.reject(failure);
    return Object.assign(reply, { values: () => reply });
  };
  return failing;
}

/** Does something right before the next statement of this text is sent. */
export function beforeNextStatement(db: Database, text: RegExp, meanwhile: () => Promise<unknown>): void {
  const client = (db as Database & { $client: Client }).$client;
  const { unsafe } = client;
  client.unsafe = (given, ...rest) => {
    if (!text.test(given)) return unsafe(given, ...rest);
    client.unsafe = unsafe;
    const sent = () => unsafe(given, ...rest) as { values(): Promise<unknown> };
    const reply = meanwhile();
    return Object.assign(
      reply.then(() => sent()),
      { values: () => reply.then(() => sent().values()) },
    );
  };
}

interface Client {
  unsafe(text: string, ...rest: unknown[]): unknown;
}
