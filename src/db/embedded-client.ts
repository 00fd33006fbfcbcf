import type { PGlite, QueryOptions, Transaction } from '@electric-sql/pglite';
import { failureName, log } from '../log.ts';
import { publishStatement } from './driver.ts';

/**
 * The embedded database as Drizzle uses it: runs one statement or transaction at a time, and rolls back a transaction that a
 * failed one left open. While the disk is nearly full it is read-only: PostgreSQL exits when its WAL finds no room, which
 * inside this process is an endless loop.
 */
export class EmbeddedClient {
  readonly #client: PGlite;
  readonly #freeBytes: () => number;
  #lastUse: Promise<unknown> = Promise.resolve();
  #isReadOnly = false;

  /** `freeBytes` returns the free space of the disk. */
  constructor(client: PGlite, freeBytes: () => number) {
    this.#client = client;
    this.#freeBytes = freeBytes;
  }

  query(text: string, parameters?: unknown[], options?: QueryOptions) {
    return this.#alone(() => {
      publishStatement(text);
      return this.#client.query(text, parameters, options);
    });
  }

  transaction<Result>(work: (tx: Pick<Transaction, 'query'>) => Promise<Result>): Promise<Result> {
    const requireRoom = () => {
      if (!this.#isReadOnly && !this.#hasRoom()) throw new DiskFullError();
    };
    return this.#alone(async () => {
      publishStatement('begin');
      return await this.#client.transaction(async (tx) => {
        const query: Transaction['query'] = async (...given) => {
          requireRoom();
          publishStatement(given[0]);
          return await tx.query(...given);
        };
        try {
          const result = await work({ query });
          requireRoom(); // committing writes too
          publishStatement('commit');
          return result;
        } catch (error) {
          publishStatement('rollback');
          throw error;
        }
      });
    });
  }

  /** When a COMMIT or ROLLBACK fails, PGlite would run the next statements in the old transaction, where all of them fail. */
  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const use = this.#lastUse.then(async () => {
      await this.#rollBack(); // it may have failed before
      await this.#updateReadOnly();
      try {
        return await work();
      } finally {
        await this.#rollBack().catch((error) =>
          log.error({ failure: failureName(error) }, 'a failed transaction could not be rolled back'),
        );
      }
    });
    this.#lastUse = use.catch(() => {});
    return await use;
  }

  async #rollBack(): Promise<void> {
    if (this.#client.isInTransaction()) await this.#client.exec('rollback');
  }

  async #updateReadOnly(): Promise<void> {
    const isFull = !this.#hasRoom();
    if (isFull === this.#isReadOnly) return;
    await this.#client.exec(`set default_transaction_read_only = ${isFull ? 'on' : 'off'}`);
    this.#isReadOnly = isFull;
    if (isFull)
      log.error({ freeBytes: this.#freeBytes() }, 'the disk of the database is full: it only reads');
    else log.info('the disk of the database has room again');
  }

  #hasRoom(): boolean {
    return this.#freeBytes() >= RESERVE_BYTES;
  }
}

/** The client of each embedded database. */
export const embeddedClients = new WeakMap<object, EmbeddedClient>();

/** Too little disk space for writing. It has PostgreSQL's code, which PostgreSQL itself would throw a little later. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
  readonly code = '53100';

  constructor() {
    super('The disk of the database is full.');
  }
}

/** Two WAL segments, which PostgreSQL allocates in full before it writes to them, and what is written between two checks. */
export const RESERVE_BYTES = 48 * 2 ** 20;
