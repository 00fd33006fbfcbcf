import { type Connection, DatabaseAwayError } from './connection.ts';

/**
 * A pool of connections, each used by one piece of work at a time. A broken one is replaced when the next work needs it, so
 * nothing reconnects in the background. Waiting for a free connection fails after a few seconds.
 */
export class ConnectionPool {
  readonly #open: () => Connection;
  readonly #size: number;
  readonly #connections = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiting = new Set<Waiting>();
  /** They come before those in `#waiting`. */
  readonly #waitingFirst = new Set<Waiting>();
  #isClosed = false;

  constructor(open: () => Connection, size: number) {
    this.#open = open;
    this.#size = size;
  }

  use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    return this.#use(this.#waiting, work);
  }

  /** Does the same before all work that waits for `use`: what has been prepared is finished before more is begun. */
  useFirst<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    return this.#use(this.#waitingFirst, work);
  }

  async #use<Result>(line: Set<Waiting>, work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await this.#take(line);
    try {
      return await work(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of [...this.#waitingFirst, ...this.#waiting])
      reject(new DatabaseAwayError('CONNECTION_CLOSED'));
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  async #take(line: Set<Waiting>): Promise<Connection> {
    if (this.#isClosed) throw new DatabaseAwayError('CONNECTION_CLOSED');
    // The one used last is the least likely to have been dropped by a firewall or proxy on the way.
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.isBroken) return idle;
      this.#connections.delete(idle);
    }
    if (this.#connections.size < this.#size) return this.#add();
    const waiting = Promise.withResolvers<Connection>();
    line.add(waiting);
    const giveUp = setTimeout(() => waiting.reject(new DatabaseAwayError('NO_CONNECTION')), PATIENCE_MS);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(giveUp);
      line.delete(waiting);
    }
  }

  #giveBack(connection: Connection): void {
    if (connection.isBroken) this.#connections.delete(connection);
    const line = this.#waitingFirst.size > 0 ? this.#waitingFirst : this.#waiting;
    const [waiting] = line;
    if (waiting === undefined) {
      if (!connection.isBroken) this.#idle.push(connection);
      return;
    }
    line.delete(waiting);
    waiting.resolve(connection.isBroken ? this.#add() : connection);
  }

  #add(): Connection {
    const connection = this.#open();
    this.#connections.add(connection);
    return connection;
  }
}

type Waiting = PromiseWithResolvers<Connection>;

const PATIENCE_MS = 3_000; // a person waits for requests; background work retries
