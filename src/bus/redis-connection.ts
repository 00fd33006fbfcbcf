import { createClient, ErrorReply } from 'redis';
import { log } from '../log.ts';
import type { RedisAccess } from './redis-access.ts';
import { RedisClusterError } from './redis-cluster-error.ts';

/** What a connection is for. A subscriber needs one of its own: in RESP2 Redis takes no other commands on it. */
export type RedisRole = 'limits' | 'publisher' | 'subscriber';

/** A client of node-redis, set up as `dial` does. */
export type RedisClient = ReturnType<typeof dial>;

/**
 * A connection to Redis that is made again for ever. Nothing waits for it and nothing is queued: while Redis does not answer,
 * `client` is null. Failures are logged at most once a minute and by name, since their messages can quote the password.
 */
export class RedisConnection {
  readonly #access: RedisAccess;
  readonly #role: RedisRole;
  readonly #onReady: ((client: RedisClient) => void)[] = [];
  readonly #firstOutcome = Promise.withResolvers<void>();
  #client: RedisClient;
  #state: 'away' | 'ready' | 'cluster' = 'away';
  #isClosed = false;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #isFailureLogged = false;

  /** Begins to connect, and returns at once. */
  constructor(access: RedisAccess, role: RedisRole) {
    this.#access = access;
    this.#role = role;
    this.#client = this.#connect();
  }

  /** The client while Redis answers and is no Cluster; null otherwise. */
  get client(): RedisClient | null {
    return this.#state === 'ready' && this.#client.isReady ? this.#client : null;
  }

  /**
   * Calls a listener each time a connection has been made, also for the one there is. A client subscribes again by itself to
   * what the same listener has subscribed to on it, but after `redial` it is a new client, which has no subscriptions.
   */
  onReady(listener: (client: RedisClient) => void): void {
    this.#onReady.push(listener);
    const { client } = this;
    if (client !== null) listener(client);
  }

  /** Throws RedisClusterError if a Cluster answers. Waits for the first attempt to connect, and no longer than a second. */
  async refuseCluster(): Promise<void> {
    const timer = setTimeout(() => this.#firstOutcome.resolve(), CONNECT_TIMEOUT_MS);
    await this.#firstOutcome.promise;
    clearTimeout(timer);
    if (this.#state === 'cluster') throw new RedisClusterError();
  }

  /** Drops the connection and makes another one, for callers that see that nothing arrives over it any more. */
  redial(): void {
    if (this.#isClosed) return;
    this.#client.destroy();
    this.#state = 'away';
    this.#client = this.#connect();
  }

  /** Logs that Redis failed. */
  noteFailure(error: unknown): void {
    if (performance.now() < this.#loggedAtMs + LOG_EVERY_MS) return;
    this.#loggedAtMs = performance.now();
    this.#isFailureLogged = true;
    log.warn(
      { connection: this.#role, failure: redisFailureName(error) },
      'Redis does not answer as it should',
    );
  }

  /** Ends the connection. What is under way fails. */
  close(): void {
    this.#isClosed = true;
    this.#state = 'away';
    this.#client.destroy();
  }

  #connect(): RedisClient {
    const client = dial(this.#access, this.#role);
    const isCurrent = () => client === this.#client && !this.#isClosed;
    client.on('error', (error) => {
      if (!isCurrent()) return;
      this.noteFailure(error);
      this.#firstOutcome.resolve();
    });
    // A client that is destroyed while it connects would keep the socket that it gets.
    client.on('connect', () => isCurrent() || client.destroy());
    client.on('ready', () => {
      this.#state = 'away';
      const learn = (isCluster: boolean) => isCurrent() && this.#learn(client, isCluster);
      client.info('cluster').then(
        (text) => learn(/^cluster_enabled:1\r?$/m.test(text)),
        // An access list may not allow INFO. Every other failure ends the connection, and the next one is asked again.
        (error) => error instanceof ErrorReply && learn(false),
      );
    });
    // Rejects only once the client is destroyed. Failures on the way are events.
    client.connect().catch(() => {});
    return client;
  }

  #learn(client: RedisClient, isCluster: boolean): void {
    this.#state = isCluster ? 'cluster' : 'ready';
    this.#firstOutcome.resolve();
    if (isCluster) {
      log.error({ connection: this.#role }, new RedisClusterError().message);
      return;
    }
    if (this.#isFailureLogged) log.info({ connection: this.#role }, 'Redis answers again');
    this.#isFailureLogged = false;
    for (const listener of this.#onReady) listener(client);
  }
}

/** A failure's name for the log: the code of Node, the first word of an error reply such as `WRONGPASS`, else its class. */
export function redisFailureName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  if ('code' in error && typeof error.code === 'string') return error.code;
  const [reply] = (error instanceof ErrorReply && /^[A-Z]{2,20}(?= )/.exec(error.message)) || [];
  return reply ?? error.constructor.name;
}

function dial({ host, port, tls, username, password, database }: RedisAccess, role: RedisRole) {
  const timing = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    // Also ends a connection whose server took it and says nothing.
    socketTimeout: SILENCE_TIMEOUT_MS,
    reconnectStrategy: reconnectDelayMs,
  };
  return createClient({
    // RESP3 begins with HELLO, which proxies in front of Redis may not know, and has nothing that is needed here.
    RESP: 2,
    maintNotifications: 'disabled',
    disableOfflineQueue: true, // it has no limit, and would say stale things once Redis is back
    pingInterval: PING_EVERY_MS,
    name: `latchkey-${role}`,
    disableClientInfo: true,
    database,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    socket:
      tls === null
        ? { host, port, ...timing }
        : { host, port, tls: true, ...(tls.ca !== 'default' && { ca: tls.ca }), ...timing },
  });
}

/** Full jitter, so that servers do not come back all at once when Redis does. */
function reconnectDelayMs(retries: number): number {
  const longestMs = Math.min(LONGEST_DELAY_MS, SHORTEST_DELAY_MS * 2 ** retries);
  return SHORTEST_DELAY_MS + Math.random() * (longestMs - SHORTEST_DELAY_MS);
}

const CONNECT_TIMEOUT_MS = 1_000;
const SHORTEST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 2_000;
const PING_EVERY_MS = 2_000;
const SILENCE_TIMEOUT_MS = 5_000; // two pings and a half
const LOG_EVERY_MS = 60_000;
