import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type postgres from 'postgres';
import type { Connection } from './connection.ts';
import { retryConflicts } from './retry-conflicts.ts';

/** Runs a piece of work with a connection that no other work uses meanwhile. */
export type Lend = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>;

/**
 * Drizzle over our own connections. It gets the two parts of the driver's client that it uses: single statements and
 * transactions.
 */
export function drizzleOver(lend: Lend): PostgresJsDatabase {
  const client = {
    options: { parsers: {}, serializers: {} },
    // A single statement is a transaction of its own, and can be retried as a whole.
    unsafe: statementsOver((run) => retryConflicts(() => lend((connection) => connection.run(run)))),
    begin: <Result>(work: (client: object) => Promise<Result>) =>
      lend((connection) => transaction(connection, work)),
  };
  return drizzle({ client: client as unknown as postgres.Sql });
}

async function transaction<Result>(
  connection: Connection,
  work: (client: object) => Promise<Result>,
): Promise<Result> {
  let isOver = false;
  let savepoints = 0;
  const client = {
    unsafe: statementsOver((run) => {
      // Another transaction may be using the connection by now.
      if (isOver) throw new Error('a statement came after the end of its transaction');
      return connection.run(run);
    }),
    savepoint: <Nested>(nested: (client: object) => Promise<Nested>) =>
      savepoint(client.unsafe, `nested_${++savepoints}`, () => nested(client)),
  };
  await connection.run((driver) => driver.unsafe('begin'));
  try {
    const result = await work(client).finally(() => {
      isOver = true;
    });
    const { command } = await connection.run((driver) => driver.unsafe('commit'));
    // PostgreSQL replies ROLLBACK when a statement failed and the caller committed nevertheless.
    if (command !== 'COMMIT')
      throw new Error('a transaction was committed after one of its statements failed');
    return result;
  } catch (error) {
    // A connection that cannot be rolled back must not be used again.
    await connection.run((driver) => driver.unsafe('rollback')).catch((failure) => connection.break(failure));
    throw error;
  }
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

type Run = (statement: (driver: postgres.Sql) => PromiseLike<unknown>) => Promise<unknown>;

/** Statements with the driver's interface: each starts in a microtask, until when the caller may ask for its rows as arrays. */
function statementsOver(run: Run) {
  return (
    text: string,
    parameters?: postgres.ParameterOrJSON<never>[],
    options?: postgres.UnsafeQueryOptions,
  ) => {
    let asArrays = false;
    const reply = Promise.resolve().then(() =>
      run((driver) => {
        const statement = driver.unsafe(text, parameters, options);
        return asArrays ? statement.values() : statement;
      }),
    );
    return Object.assign(reply, {
      values() {
        asArrays = true;
        return reply;
      },
    });
  };
}
