import { eq, isNull, lte, or, sql } from 'drizzle-orm';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { sessions } from '../db/tables/user.ts';
import { failureName, log } from '../log.ts';

/**
 * Calls back when a session ends: at once when that is announced, and within a second when it expires, when another process
 * ended it or when the announcement was lost. One query asks the database about a batch of watched sessions.
 */
export class SessionWatch {
  readonly #deps: { db: Database; changes: Changes };
  readonly #watched = new Map<string, Watched>();
  readonly #timer: NodeJS.Timeout;
  #isReading = false;

  constructor(deps: { db: Database; changes: Changes }) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.#read(), CHECK_MS).unref();
  }

  /** Calls `onEnd` when the session has ended, unless the returned function was called before. */
  watch(sessionId: string, onEnd: () => void): () => void {
    const watched = this.#watched.get(sessionId) ?? this.#begin(sessionId);
    watched.listeners.add(onEnd);
    return () => {
      watched.listeners.delete(onEnd);
      if (watched.listeners.size === 0) this.#forget(sessionId, watched);
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #begin(sessionId: string): Watched {
    const watched: Watched = {
      listeners: new Set(),
      announcements: this.#deps.changes.listen(sessionId, () => this.#end(sessionId, watched)),
    };
    this.#watched.set(sessionId, watched);
    return watched;
  }

  #end(sessionId: string, watched: Watched): void {
    this.#forget(sessionId, watched);
    for (const onEnd of watched.listeners) onEnd();
  }

  #forget(sessionId: string, watched: Watched): void {
    watched.announcements.close();
    if (this.#watched.get(sessionId) === watched) this.#watched.delete(sessionId);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const due = [...this.#watched];
    try {
      for (let start = 0; start < due.length; start += BATCH_SESSIONS)
        await this.#endThoseThatHave(new Map(due.slice(start, start + BATCH_SESSIONS)));
    } catch (error) {
      log.warn({ sessions: due.length, failure: failureName(error) }, 'sessions could not be checked');
    } finally {
      this.#isReading = false;
    }
  }

  /** Reads the expiry from the database each time, since a session in use is renewed. */
  async #endThoseThatHave(due: ReadonlyMap<string, Watched>): Promise<void> {
    // All ids are one parameter, and only ended sessions are rows, so that most queries return nothing.
    const ids = sql`string_to_array(${[...due.keys()].join(',')}, ',')`;
    const rows = await this.#deps.db
      .select({ endedSessionId: sql<string>`watched.id` })
      .from(sql`unnest(${ids}) as watched(id)`)
      .leftJoin(sessions, eq(sessions.id, sql`watched.id`))
      .where(or(isNull(sessions.id), lte(sessions.expiresAt, new Date())));
    for (const { endedSessionId } of rows) {
      const watched = due.get(endedSessionId);
      if (watched !== undefined) this.#end(endedSessionId, watched);
    }
  }
}

interface Watched {
  listeners: Set<() => void>;
  announcements: ChangeListener;
}

const CHECK_MS = 500; // the sockets of a disabled account are closed within a second
const BATCH_SESSIONS = 2_000; // the embedded database holds up the event loop for a few milliseconds with each
