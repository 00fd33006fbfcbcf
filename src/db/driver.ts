import { channel } from 'node:diagnostics_channel';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type postgres from 'postgres';
import type { Connection } from './connection.ts';
import { ReplyTurns } from './reply-turns.ts';
import { retryConflicts } from './retry-conflicts.ts';
import type { Statement } from './statement.ts';

/** Runs a piece of work with a connection. */
export type Lend = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>;

/** Where the transactions of a database get their connections. */
export interface TransactionLenders {
  /** Lends a connection that no other work uses meanwhile. */
  alone: Lend;
  /** Lends one on which others may send before and after what the work sends in one go. */
  atOnce: Lend;
}

/**
 * Drizzle over our own connections. It gets the two parts of the driver's client that it uses: single statements and
 * transactions.
 */
export function drizzleOver(
  lend: Lend,
  transactionLenders: TransactionLenders = { alone: lend, atOnce: lend },
): PostgresJsDatabase {
  const turns = new ReplyTurns();
  const db = drizzleWith({
    // A single statement is a transaction of its own, and can be retried as a whole.
    unsafe: statementsOver(async (send) => {
      const reply = await retryConflicts(() => lend(send));
      await turns.next();
      return reply;
    }),
    begin: <Result>(work: (client: object) => Promise<Result>) =>
      lendersOf(db).alone((connection) => transaction(connection, work)),
  });
  lenders.set(db, transactionLenders);
  return db;
}

/** Drizzle over an object that has the parts of the driver's client that are used. */
function drizzleWith(client: object): PostgresJsDatabase {
  return drizzle({
    client: { options: { parsers: {}, serializers: {} }, ...client } as unknown as postgres.Sql,
  });
}

/** By database; tests replace them to intervene before a transaction begins. */
export const lenders = new WeakMap<object, TransactionLenders>();

/** The lenders for transactions of this database. */
export function lendersOf(db: object): TransactionLenders {
  const found = lenders.get(db);
  if (found === undefined)
    throw new TypeError('a transaction begins on a database, not within a transaction');
  return found;
}

async function transaction<Result>(
  connection: Connection,
  work: (client: object) => Promise<Result>,
): Promise<Result> {
  let isOver = false;
  let savepoints = 0;
  const client = {
    unsafe: statementsOver((send) => {
      // Another transaction may be using the connection by now.
      if (isOver) throw new Error('a statement came after the end of its transaction');
      return send(connection);
    }),
    savepoint: <Nested>(nested: (client: object) => Promise<Nested>) =>
      savepoint(client.unsafe, `nested_${++savepoints}`, () => nested(client)),
  };
  begin(connection);
  try {
    const result = await work(client).finally(() => {
      isOver = true;
    });
    if (!(await commit(connection)))
      throw new Error('a transaction was committed after one of its statements failed');
    return result;
  } catch (error) {
    await rollBack(connection);
    throw error;
  }
}

/**
 * Begins a transaction, without a wait for the reply: the first statement is sent together with it. If PostgreSQL refused to
 * begin, the statements would run outside of a transaction, so the connection ends.
 */
export function begin(connection: Connection): void {
  sendText(connection, 'begin').catch((failure) => connection.break(failure));
}

/** Ends a transaction. False if PostgreSQL replies ROLLBACK, since one of its statements failed. */
export async function commit(connection: Connection): Promise<boolean> {
  return (await sendText(connection, 'commit')).command === 'COMMIT';
}

/** Undoes a transaction. A connection that cannot be rolled back must not be used again. */
export async function rollBack(connection: Connection): Promise<void> {
  await sendText(connection, 'rollback').catch((failure) => connection.break(failure));
}

async function savepoint<Result>(
  unsafe: (text: string) => Promise<unknown>,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await unsafe(`savepoint ${name}`);
  try {
    return await work();
  } catch (error) {
    await unsafe(`rollback to savepoint ${name}`);
    throw error;
  }
}

function sendText(connection: Connection, text: string) {
  return connection.run((driver) => {
    publishStatement(text);
    return driver.unsafe(text);
  });
}

/**
 * Sends a statement over a connection and returns its rows. `onRetry` is called before the driver sends a prepared statement a
 * second time, since PostgreSQL no longer knows it or can no longer execute it.
 */
export function sendStatement(
  connection: Connection,
  { text, parameters }: Statement,
  { asArrays, onRetry }: { asArrays: boolean; onRetry?: () => void },
): Promise<unknown> {
  publishStatement(text);
  const prepare = connection.shouldPrepare(text);
  return connection.run((driver) => {
    const sent = driver.unsafe(text, parameters as postgres.ParameterOrJSON<never>[], { prepare });
    // The driver sets this before it repeats the statement.
    if (onRetry !== undefined) Object.defineProperty(sent, 'retried', { set: onRetry });
    return asArrays ? sent.values() : sent;
  });
}

/** Statements with the driver's interface: each starts in a microtask, until when the caller may ask for its rows as arrays. */
function statementsOver(run: (send: (connection: Connection) => Promise<unknown>) => Promise<unknown>) {
  return (text: string, parameters: unknown[] = []) => {
    let asArrays = false;
    const reply = Promise.resolve().then(() =>
      run((connection) => sendStatement(connection, { text, parameters }, { asArrays })),
    );
    return Object.assign(reply, {
      values() {
        asArrays = true;
        return reply;
      },
    });
  };
}

/** Publishes the text of a statement that is being sent, never its parameters. Nothing listens unless statements are counted. */
function publishStatement(text: string): void {
  if (statements.hasSubscribers) statements.publish({ text });
}

const statements = channel('latchkey:statement');
