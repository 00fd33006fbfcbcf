import type { PGlite, QueryOptions, Transaction } from '@electric-sql/pglite';
import { failureName, log } from '../log.ts';

/**
 * The embedded database as Drizzle uses it: one statement or transaction at a time, and none that finds what a failed one
 * left open. While its disk is nearly full it only reads: PostgreSQL ends itself when its log finds no room, which inside
 * this process is a loop without an end.
 */
export class EmbeddedClient {
  readonly #client: PGlite;
  readonly #freeBytes: () => number;
  #lastUse: Promise<unknown> = Promise.resolve();
  #isReadOnly = false;

  /** `freeBytes` tells how much room the disk has. */
  constructor(client: PGlite, freeBytes: () => number) {
    this.#client = client;
    this.#freeBytes = freeBytes;
  }

  query(text: string, parameters?: unknown[], options?: QueryOptions) {
    return this.#alone(() => this.#client.query(text, parameters, options));
  }

  transaction<Result>(work: (tx: Pick<Transaction, 'query'>) => Promise<Result>): Promise<Result> {
    const requireRoom = () => {
      if (!this.#isReadOnly && !this.#hasRoom()) throw new DiskFullError();
    };
    return this.#alone(() =>
      this.#client.transaction(async (tx) => {
        const query: Transaction['query'] = async (...given) => {
          requireRoom();
          return await tx.query(...given);
        };
        const result = await work({ query });
        requireRoom(); // committing writes too
        return result;
      }),
    );
  }

  /** PGlite goes on to the next statement when a COMMIT or ROLLBACK fails, and all of them fail in the old transaction. */
  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const use = this.#lastUse.then(async () => {
      await this.#rollBack(); // it may not have been possible before
      await this.#followRoom();
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

  async #followRoom(): Promise<void> {
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

/** There is too little room on the disk for writing. With PostgreSQL's code, since it would say the same a little later. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
  readonly code = '53100';

  constructor() {
    super('The disk of the database is full.');
  }
}

/** Two files of PostgreSQL's log, which it makes in full before it writes to them, and what is written between two looks. */
export const RESERVE_BYTES = 48 * 2 ** 20;
