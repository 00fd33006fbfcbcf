import type { PGlite, Transaction } from '@electric-sql/pglite';
import type { SQLWrapper } from 'drizzle-orm';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { type Connection, DatabaseAwayError } from './connection.ts';
import type { Database } from './database.ts';
import { begin, commit, drizzleWith, lenderOf, rollBack, type Send, statementsOver } from './driver.ts';
import { type EmbeddedClient, embeddedClients } from './embedded-client.ts';

/**
 * Sends a transaction whose statements are known beforehand in one go, from BEGIN to COMMIT, without a wait for any reply.
 * `build` returns its queries, not awaited, in the order in which they are to be sent. The replies arrive before that of the
 * COMMIT, so a caller can react to them while the transaction is being committed, but must not treat it as saved.
 */
export function transactionAtOnce<const Queries extends readonly Query[]>(
  db: Database,
  build: (tx: Database) => Queries,
): AtOnce<Queries> {
  const embedded = embeddedClients.get(db);
  const statements = new GatedStatements();
  const queries = build(embedded === undefined ? statements.tx : statements.embeddedTx).map(pendingQuery);
  const committed =
    embedded === undefined
      ? lenderOf(db)((connection) => sendAtOnce(connection, statements, queries))
      : sendOneByOne(embedded, statements, queries);
  committed.catch((error) => {
    statements.close(error);
    for (const { start } of queries) start(); // those that were never sent fail too
  });
  for (const { reply } of queries) reply.catch(() => {}); // a caller may be waiting for another one
  return { replies: queries.map(({ reply }) => reply) as Replies<Queries>, committed };
}

/** A query of Drizzle that was not awaited. It is no promise: one that has begun could be sent in another order. */
export type Query = PromiseLike<unknown> & SQLWrapper;

export interface AtOnce<Queries extends readonly Query[]> {
  /** Each rejects if its statement or an earlier one fails. */
  replies: Replies<Queries>;
  /** Resolves once the transaction is saved. Rejects with the failure of the first statement that failed, or of the COMMIT. */
  committed: Promise<void>;
}

type Replies<Queries extends readonly Query[]> = {
  [Index in keyof Queries]: Promise<Awaited<Queries[Index]>>;
};

interface PendingQuery {
  /** Has an effect once only. */
  start(): void;
  reply: Promise<unknown>;
}

/** A query of Drizzle begins when it is awaited. */
function pendingQuery(query: Query): PendingQuery {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  return { reply: promise, start: () => resolve(query) };
}

async function sendAtOnce(
  connection: Connection,
  statements: GatedStatements,
  queries: readonly PendingQuery[],
): Promise<void> {
  begin(connection);
  statements.open(connection);
  const isCommitted = await commitAfterAll(connection, statements, queries).catch(async (error) => {
    await rollBack(connection);
    throw error;
  });
  if (isCommitted) return;
  const outcomes = await Promise.allSettled(queries.map(({ reply }) => reply));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  throw failed?.reason ?? new Error('a transaction was committed after one of its statements failed');
}

async function commitAfterAll(
  connection: Connection,
  statements: GatedStatements,
  queries: readonly PendingQuery[],
): Promise<boolean> {
  for (const [index, { start, reply }] of queries.entries()) {
    start();
    // Drizzle hands a statement over some microtasks later. One that it cannot build rejects without having been sent.
    await Promise.race([statements.sent(index + 1), reply]);
  }
  statements.close(new Error('a statement came after the end of its transaction'));
  return await commit(connection);
}

async function sendOneByOne(
  client: EmbeddedClient,
  statements: GatedStatements,
  queries: readonly PendingQuery[],
): Promise<void> {
  await client.transaction(async (tx) => {
    statements.openEmbedded(tx);
    for (const { start, reply } of queries) {
      start();
      await reply;
    }
  });
}

/** Statements that wait until there is a connection, and are counted once they are handed to its driver. */
class GatedStatements {
  readonly #connection = Promise.withResolvers<Connection>();
  readonly #embedded = Promise.withResolvers<Pick<Transaction, 'query'>>();
  readonly #waiting = new Map<number, () => void>();
  #sent = 0;
  #closed: { cause: unknown } | undefined;

  constructor() {
    this.#connection.promise.catch(() => {}); // perhaps no statement waits for it
    this.#embedded.promise.catch(() => {});
  }

  get tx(): Database {
    return drizzleWith({ unsafe: statementsOver((send) => this.#send(send)) });
  }

  get embeddedTx(): Database {
    const query: PGlite['query'] = async (...given) => {
      const tx = await this.#embedded.promise;
      if (this.#closed !== undefined) throw this.#closed.cause;
      return await tx.query(...given);
    };
    return drizzlePglite({ client: { query } as unknown as PGlite });
  }

  open(connection: Connection): void {
    this.#connection.resolve(connection);
  }

  openEmbedded(tx: Pick<Transaction, 'query'>): void {
    this.#embedded.resolve(tx);
  }

  /** Statements from now on are not sent: another transaction may be using the connection. */
  close(cause: unknown): void {
    this.#closed ??= { cause };
    this.#connection.reject(cause);
    this.#embedded.reject(cause);
  }

  /** Resolves once this many statements were handed over. */
  async sent(count: number): Promise<void> {
    if (this.#sent >= count) return;
    await new Promise<void>((resolve) => this.#waiting.set(count, resolve));
  }

  async #send(send: Send): Promise<unknown> {
    const connection = await this.#connection.promise;
    if (this.#closed !== undefined) throw this.#closed.cause;
    // The driver would send it again after the COMMIT, where it would no longer be part of a transaction.
    const reply = send(connection, () => connection.break(new DatabaseAwayError('CONNECTION_CLOSED')));
    this.#sent += 1;
    this.#waiting.get(this.#sent)?.();
    return await reply;
  }
}
