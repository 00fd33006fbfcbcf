import { and, gt, sql } from 'drizzle-orm';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { threads } from '../db/tables/thread.ts';
import { failureName, log } from '../log.ts';
import { announcedColumns, threadTopics } from '../threads/thread.ts';

/**
 * Finds changes by other servers whose announcement was lost: reads every few seconds, in one statement each, how far all followed
 * threads are and which threads of the followed workspaces have changed, and marks those that are news. Every change of a thread
 * raises its revision. A lone server announces everything itself and looks for nothing.
 */
export class ChangeLooks {
  readonly #deps: { db: Database; changes: Changes };
  readonly #everyMs: number | null;
  readonly #threads = new Map<string, Set<KnownRevision>>();
  readonly #workspaces = new Map<string, number>();
  /** The threads of followed workspaces that the last look found. */
  #found = new Map<string, FoundThread>();
  /** Time of the last look, by the database's clock. */
  #lookedAt: Date | null = null;
  readonly #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** `everyMs` is null for a lone server. */
  constructor(deps: { db: Database; changes: Changes }, everyMs: number | null) {
    this.#deps = deps;
    this.#everyMs = everyMs;
    if (everyMs !== null) this.#timer = setInterval(() => this.#lookOnce(), everyMs).unref();
  }

  /** Looks soon, since announcements may have been lost; at a random moment, or all servers would look at the same. */
  lookWithin(ms: number): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.#lookOnce(), Math.random() * ms).unref();
  }

  /** How often a follower compares what has no revision; `loneMs` for a lone server. */
  compareEveryMs(loneMs: number): number {
    return this.#everyMs === null ? loneMs : 2 * this.#everyMs;
  }

  /** Watches a thread whose follower knows this revision; undefined for none yet. Returns a function that ends it. */
  watchThread(threadId: string, known: KnownRevision): () => void {
    const watching = this.#threads.get(threadId) ?? new Set();
    this.#threads.set(threadId, watching.add(known));
    return () => {
      if (watching.delete(known) && watching.size === 0) this.#threads.delete(threadId);
    };
  }

  /** Watches the threads of a workspace. Returns a function that ends it. */
  watchWorkspace(workspaceId: string): () => void {
    this.#workspaces.set(workspaceId, (this.#workspaces.get(workspaceId) ?? 0) + 1);
    return () => {
      const left = (this.#workspaces.get(workspaceId) ?? 1) - 1;
      if (left === 0) this.#workspaces.delete(workspaceId);
      else this.#workspaces.set(workspaceId, left);
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    await this.#looking;
  }

  #lookOnce(): void {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  async #look(): Promise<void> {
    try {
      if (this.#threads.size > 0) await this.#lookAtThreads();
      if (this.#workspaces.size > 0) await this.#lookAtWorkspaces();
      else this.#lookedAt = null;
    } catch (error) {
      log.warn({ failure: failureName(error) }, 'changes by other servers could not be looked for');
    }
  }

  async #lookAtThreads(): Promise<void> {
    const { db, changes } = this.#deps;
    const watched = [...this.#threads];
    const ids = watched.map(([id]) => id);
    const rows = await db
      .select({ id: threads.id, revision: threads.revision })
      .from(threads)
      .where(isOneOf(threads.id, ids));
    const revisions = new Map(rows.map(({ id, revision }) => [id, revision]));
    for (const [id, known] of watched) {
      const revision = revisions.get(id) ?? Number.POSITIVE_INFINITY; // a deleted thread
      if ([...known].some((of) => (of() ?? revision) < revision)) changes.receive(id, [id]);
    }
  }

  async #lookAtWorkspaces(): Promise<void> {
    const { db, changes } = this.#deps;
    const since = this.#lookedAt;
    const [clock] = await db
      .select({ now: sql`now()`.mapWith(threads.updatedAt) })
      .from(sql`(select 1) as once`);
    this.#lookedAt = clock?.now ?? null;
    if (since === null) return;
    // A transaction that was slow to commit has an earlier time.
    const notBefore = new Date(since.getTime() - LONGEST_TRANSACTION_MS);
    const rows = await db
      .select({ ...announcedColumns, revision: threads.revision, unsharedAt: threads.unsharedAt })
      .from(threads)
      .where(
        and(isOneOf(threads.workspaceId, [...this.#workspaces.keys()]), gt(threads.updatedAt, notBefore)),
      );
    const before = this.#found;
    this.#found = new Map(rows.map((thread) => [thread.id, thread]));
    for (const thread of rows) {
      const known = before.get(thread.id);
      const [, ofList] = threadTopics(thread);
      if (ofList !== undefined && known?.revision !== thread.revision) changes.receive(ofList, [thread.id]);
      // Once, since what its creator does in private is no word to the others.
      if (wasJustUnshared(thread, known, notBefore)) changes.receive(thread.workspaceId, [thread.id]);
    }
  }
}

type FoundThread = Pick<typeof threads.$inferSelect, 'revision' | 'unsharedAt'>;

/** Whether a thread was made private after this time, and no earlier look found that. */
function wasJustUnshared(
  { unsharedAt }: FoundThread,
  known: FoundThread | undefined,
  notBefore: Date,
): boolean {
  return (
    unsharedAt !== null && unsharedAt > notBefore && known?.unsharedAt?.getTime() !== unsharedAt.getTime()
  );
}

/** The revision that a follower has; undefined before it has read one. */
type KnownRevision = () => number | undefined;

const LONGEST_TRANSACTION_MS = 10_000;
