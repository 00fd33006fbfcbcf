import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { and, eq, isNull, lt, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { readProgramName } from '../db/migration-file.ts';
import { servers } from '../db/tables/server.ts';
import { failureName, log } from '../log.ts';
import type { FleetTimes } from './times.ts';

/** What is recorded of a server while it runs. */
export interface ServerFacts {
  /** Ids of the root keys it holds, the one that seals first. */
  rootIds: readonly string[];
  authSecret: string;
}

/**
 * The lease under which this server writes answers: its row in `servers`. Each heartbeat renews it. A server that was paused for
 * longer than its lease may find it ended by another one, which then ends its answers; it continues under a new id.
 */
export class ServerLease {
  readonly #db: Database;
  readonly #facts: ServerFacts;
  readonly #times: FleetTimes;
  readonly #onBegin: OnBegin;
  #serverId = newId('run');
  #renewedAtMs = performance.now();
  /** When a heartbeat last ended, renewed or not. */
  #beatEndedAtMs = performance.now();

  private constructor(db: Database, facts: ServerFacts, times: FleetTimes, onBegin: OnBegin) {
    this.#db = db;
    this.#facts = facts;
    this.#times = times;
    this.#onBegin = onBegin;
  }

  /** Records this server as running. `onBegin` is called with its id, and with each later one. */
  static async begin(
    db: Database,
    facts: ServerFacts,
    times: FleetTimes,
    onBegin: OnBegin = () => {},
  ): Promise<ServerLease> {
    const lease = new ServerLease(db, facts, times, onBegin);
    await db.delete(servers).where(lt(servers.leaseUntil, sql`now() - interval '1 day'`));
    await lease.#insert();
    return lease;
  }

  /** Names this server as the writer of its answers. */
  get serverId(): string {
    return this.#serverId;
  }

  /**
   * False after a pause of this process that may have cost it the lease, until a heartbeat has found that out. A database that is
   * away is no such pause: nobody can end a lease then either.
   */
  get isCertain(): boolean {
    return performance.now() - this.#beatEndedAtMs < this.#times.leaseMs / 2;
  }

  /** Called whenever a heartbeat has ended. */
  beatEnded(): void {
    this.#beatEndedAtMs = performance.now();
  }

  /** How long ago the lease was renewed. */
  get ageMs(): number {
    return performance.now() - this.#renewedAtMs;
  }

  /** The part of a statement that renews the lease and returns its id; no row if another server has ended it. */
  renewal() {
    return this.#db.$with('lease').as(
      this.#db
        .update(servers)
        .set({ leaseUntil: fromNow(this.#times.leaseMs) })
        .where(and(eq(servers.id, this.#serverId), isNull(servers.endedAt)))
        .returning({ id: servers.id }),
    );
  }

  /** Called after a statement with `renewal` was executed, with the time at which it was sent. */
  renewed(sentAtMs: number): void {
    this.#renewedAtMs = sentAtMs;
  }

  /** Continues under a new id, since another server has ended the lease. */
  async beginAgain(): Promise<void> {
    const before = this.#serverId;
    this.#serverId = newId('run');
    try {
      await this.#insert();
    } catch (error) {
      this.#serverId = before;
      throw error;
    }
    log.warn(
      { before, serverId: this.#serverId },
      'another server took this one for dead; it continues under a new id',
    );
  }

  /** Ends the lease, after the last answer. */
  async end(): Promise<void> {
    await this.#db
      .update(servers)
      .set({ endedAt: sql`now()` })
      .where(eq(servers.id, this.#serverId))
      .catch((error: unknown) =>
        log.warn({ failure: failureName(error) }, 'the lease of this server could not be ended'),
      );
  }

  async #insert(): Promise<void> {
    const { rootIds, authSecret } = this.#facts;
    await this.#db.insert(servers).values({
      id: this.#serverId,
      name: `latchkey on ${hostname()}, process ${process.pid}`,
      rootIds: [...rootIds],
      authCheck: authCheckOf(authSecret),
      program: readProgramName(),
      leaseUntil: fromNow(this.#times.leaseMs),
    });
    this.#renewedAtMs = performance.now();
    this.#onBegin(this.#serverId);
  }
}

type OnBegin = (serverId: string) => void;

/** Reveals nothing about the secret, which has at least 128 random bits. */
export function authCheckOf(authSecret: string): string {
  return createHash('sha256').update(`latchkey/auth-check/v1 ${authSecret}`).digest('base64url');
}

function fromNow(ms: number): SQL<Date> {
  return sql`now() + ${ms} * interval '1 millisecond'`;
}
