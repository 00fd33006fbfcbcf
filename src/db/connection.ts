import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { makePgArray, parsePgArray } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { RepeatedTexts } from './repeated-texts.ts';

/**
 * A connection to PostgreSQL with a reply timeout: it breaks when a statement gets no reply in time, and stays broken.
 * The driver reconnects by itself, which is unsafe in a transaction: it sends the remaining statements on the new connection,
 * or writes to the closed socket, whose error no caller can catch. So a client of the driver has one socket here, and both
 * end together.
 */
export class Connection {
  readonly #client: postgres.Sql;
  readonly #replyWithinSeconds: number | undefined;
  readonly #texts: RepeatedTexts;
  readonly #waiting = new Set<(failure: unknown) => void>();
  #dialled = 0;
  #socket: Duplex | undefined;
  #hasReplied = false;
  #failure: { cause: unknown } | undefined;

  /** Connects to the server at a URL, or over the socket that the function opens. */
  constructor(
    target: string | (() => Duplex),
    options: {
      /** Without a limit for a database on this machine that has nothing to do but to reply. */
      replyWithinSeconds?: number;
      /** Settings of PostgreSQL that hold for this connection. */
      session?: Record<string, string | number>;
      /** Shared with other connections to the same database. */
      texts?: RepeatedTexts;
    },
  ) {
    const driverOptions = {
      max: 1, // only then does the driver allow `begin` as a statement
      max_lifetime: null,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      connection: options.session ?? {},
      socket: (place: DialTarget) => (typeof target === 'string' ? this.#dial(place) : this.#open(target)),
      onclose: () => this.break(new DatabaseAwayError('CONNECTION_CLOSED')),
      // The driver would ask for all array types before the first statement, and the process would end by the rejection, which
      // nothing handles, if the connection broke just then.
      fetch_types: false,
      types: { texts: TEXT_ARRAY },
      onnotice: () => {},
    };
    this.#client =
      typeof target === 'string'
        ? postgres(target, driverOptions)
        : postgres({ ...driverOptions, user: 'postgres', database: 'postgres', ssl: false });
    drizzle({ client: this.#client }); // sets the client's parsers, which leave times as text
    this.#replyWithinSeconds = options.replyWithinSeconds;
    this.#texts = options.texts ?? new RepeatedTexts();
  }

  /** Runs a statement. It may have been executed even if this rejects, unless the server itself refused it. */
  async run<Reply>(statement: (client: postgres.Sql) => PromiseLike<Reply>): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure.cause;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.add(reject);
    // Seconds are counted one by one: time during which this process itself was blocked must not count as a missing reply.
    let seconds = 0;
    const clock =
      this.#replyWithinSeconds &&
      setInterval(() => {
        seconds += 1;
        if (seconds === this.#replyWithinSeconds) this.break(new DatabaseAwayError('NO_REPLY'));
      }, 1_000);
    try {
      statement(this.#client).then(resolve, reject);
      const reply = await promise;
      this.#hasReplied = true;
      return reply;
    } catch (error) {
      if (!this.#hasReplied || !(error instanceof postgres.PostgresError)) this.break(error);
      throw error;
    } finally {
      clearInterval(clock);
      this.#waiting.delete(reject);
    }
  }

  /** Whether the next statement with this text should be prepared, so that PostgreSQL parses and plans it once only. */
  shouldPrepare(text: string): boolean {
    return this.#texts.shouldPrepare(text);
  }

  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** Ends the connection at once; statements that wait for a reply fail with `cause`. */
  break(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { cause };
    this.#socket?.destroy();
    for (const reject of this.#waiting) reject(cause);
  }

  /** Closes the connection in order, within a second. */
  async close(): Promise<void> {
    if (!this.isBroken) await this.#client.end({ timeout: CLOSE_TIMEOUT_SECONDS });
    this.break(new DatabaseAwayError('CONNECTION_CLOSED'));
  }

  /** Opens the socket, once. */
  #open(openSocket: () => Duplex): Duplex {
    if (this.#dialled++ > 0) this.break(new DatabaseAwayError('CONNECTION_CLOSED'));
    if (this.#failure !== undefined) throw this.#failure.cause;
    this.#socket = openSocket();
    return this.#socket;
  }

  /** Connects to the hosts of the URL, one after the other and once each. */
  #dial({ host, port, path }: DialTarget): Socket {
    const turn = this.#dialled++;
    if (turn >= host.length) this.break(new DatabaseAwayError('CONNECTION_CLOSED'));
    if (this.#failure !== undefined) throw this.#failure.cause;
    const socket = path ? connect(path) : connect(port[turn] ?? DEFAULT_PORT, host[turn]);
    socket.once('error', (error) => {
      if (turn === host.length - 1) this.break(error);
    });
    this.#socket = socket;
    return Object.assign(socket, { host: host[turn] }); // the driver takes the name for TLS from here
  }
}

/** The database cannot be used now: it closed the connection, gives no reply, or all connections are taken. */
export class DatabaseAwayError extends Error {
  override readonly name = 'DatabaseAwayError';
  readonly code: 'CONNECTION_CLOSED' | 'NO_REPLY' | 'NO_CONNECTION';

  constructor(code: DatabaseAwayError['code']) {
    super(`The database is away: ${code}`);
    this.code = code;
  }
}

/** The driver's parsed URL; `path` is that of a Unix socket. */
interface DialTarget {
  host: string[];
  port: number[];
  path: string | false | undefined;
}

/** The only type of arrays in our tables. */
const TEXT_ARRAY = {
  to: 1009, // `_text` in PostgreSQL's pg_type
  from: [1009],
  /** Drizzle has written its arrays itself. */
  serialize: (texts: readonly string[] | string) =>
    typeof texts === 'string' ? texts : makePgArray([...texts]),
  parse: (text: string) => parsePgArray(text) as string[],
};

const DEFAULT_PORT = 5432;
const CONNECT_TIMEOUT_SECONDS = 4; // below the reply timeout, since this failure is more precise
const CLOSE_TIMEOUT_SECONDS = 1;
