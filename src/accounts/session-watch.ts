import { inArray } from 'drizzle-orm';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { sessions } from '../db/tables/user.ts';
import { failureName, log } from '../log.ts';

/**
 * Tells when a session has ended: at once when that is announced, and within a second when it runs out, another process ended
 * it or the announcement was lost. All sessions that are watched are read by one statement.
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
      expiresAt: null,
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

  /** A session in use is prolonged, so one whose time has come is read before it is taken for ended. */
  async #read(): Promise<void> {
    const due = [...this.#watched];
    if (this.#isReading || due.length === 0) return;
    this.#isReading = true;
    try {
      const rows = await this.#deps.db
        .select({ id: sessions.id, expiresAt: sessions.expiresAt })
        .from(sessions)
        .where(
          inArray(
            sessions.id,
            due.map(([id]) => id),
          ),
        );
      const expiry = new Map(rows.map(({ id, expiresAt }) => [id, expiresAt]));
      for (const [id, watched] of due) {
        watched.expiresAt = expiry.get(id) ?? null;
        if (watched.expiresAt === null || hasRunOut(watched)) this.#end(id, watched);
      }
    } catch (error) {
      log.warn({ sessions: due.length, failure: failureName(error) }, 'sessions could not be checked');
    } finally {
      this.#isReading = false;
    }
  }
}

interface Watched {
  listeners: Set<() => void>;
  /** Null until it was read for the first time. */
  expiresAt: Date | null;
  announcements: ChangeListener;
}

function hasRunOut({ expiresAt }: Watched): boolean {
  return expiresAt !== null && expiresAt.getTime() <= Date.now();
}

const CHECK_MS = 500; // a person who is disabled has lost what is open within a second
