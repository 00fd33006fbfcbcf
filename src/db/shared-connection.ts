import type { Connection } from './connection.ts';

/**
 * The one connection of a database that has no more. Statements, and transactions that are sent at once, go over it without a
 * wait for each other; any other transaction has it for itself. All are carried out in the order in which they came, and wait as
 * long as it takes.
 */
export class SharedConnection {
  readonly #connection: Connection;
  #lastAlone: Promise<unknown> = Promise.resolve();
  #together = new Set<Promise<unknown>>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Uses the connection together with others that do: whatever belongs together is sent before the first wait. */
  async share<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const use = this.#lastAlone.then(() => work(this.#connection));
    const together = this.#together;
    const ended = use.catch(() => {});
    together.add(ended);
    try {
      return await use;
    } finally {
      together.delete(ended);
    }
  }

  /** Uses the connection once all others before have ended. */
  async alone<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const before = [this.#lastAlone, ...this.#together];
    const use = Promise.all(before).then(() => work(this.#connection));
    this.#lastAlone = use.catch(() => {});
    this.#together = new Set();
    return await use;
  }
}
