import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type postgres from 'postgres';
import type { Connection } from './connection.ts';
import { retryConflicts } from './retry-conflicts.ts';

/** Lends a connection to a piece of work. */
export type Lend = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>;

/**
 * Drizzle over connections that are lent. It is given what it uses of the driver's client: single statements and
 * transactions.
 */
export function drizzleOver(lend: Lend): PostgresJsDatabase {
  const client = {
    options: { parsers: {}, serializers: {} },
    // By itself a statement is a transaction, and can be run again as a whole.
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
      // The connection may be in the hands of another transaction by now.
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
    // PostgreSQL answers so when a statement had failed and somebody went on nevertheless.
    if (command !== 'COMMIT')
      throw new Error('a transaction was committed after one of its statements failed');
    return result;
  } catch (error) {
    // One that cannot be rolled back must not be lent again.
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

/** Statements as the driver takes them: each waits for the end of this turn, until when its rows may be asked for as arrays. */
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
