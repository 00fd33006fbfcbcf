import type { Viewer } from '../accounts/session.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { NotFoundError } from '../errors.ts';
import { failureName, log } from '../log.ts';
import { findThreads, type Thread, visibleOf } from '../threads/thread.ts';
import type { ChangeLooks } from './change-looks.ts';
import type { SharedReads } from './shared-reads.ts';

/**
 * Watches whether a viewer may still see a thread that they follow. After a change was announced that may have ended it,
 * nothing more is sent before the thread is read again. An announcement may be lost, so access is also checked every few
 * seconds, in the background: tokens do not wait for it, and go on while the database is away, when no right can change.
 */
export class AccessWatch {
  readonly viewer: Viewer;
  readonly threadId: string;
  readonly #deps: AccessDeps;
  readonly #wake: () => void;
  readonly #changes: ChangeListener;
  /** Stale at first: what was read before `listen` may have changed since. */
  #isStale = true;
  /** What was read before this, on the monotonic clock, is not shared: something says that it is out of date. */
  #notBeforeMs = 0;
  #checkedAtMs = 0;
  /** Revision of the thread when it was last read; undefined before. */
  revision: number | undefined;

  constructor(deps: AccessDeps, viewer: Viewer, threadId: string, wake: () => void) {
    this.#deps = deps;
    this.viewer = viewer;
    this.threadId = threadId;
    this.#wake = wake;
    this.#changes = deps.changes.listen([threadId, viewer.id], wake);
  }

  /** Whether access is known; if not, call `reload`. Cheap, since it is called for every token. */
  isCurrent(): boolean {
    if (this.#isStale || this.#changes.isDirty) return false;
    if (performance.now() - this.#checkedAtMs > CHECK_AFTER_MS) {
      this.#checkedAtMs = performance.now();
      this.#deps.accessBatch.add(this);
    }
    return true;
  }

  /** The thread, if the viewer may still see it. */
  async reload(): Promise<Thread | undefined> {
    this.#changes.take();
    this.#checkedAtMs = performance.now();
    const notBeforeMs = this.#notBeforeMs;
    const thread = await findFollowedThread(this.#deps, this.viewer, this.threadId, { notBeforeMs });
    this.#isStale = thread === undefined;
    this.revision = thread?.revision;
    return thread;
  }

  /** Makes `reload` read the thread, whatever others have read of it before. */
  doubt(): void {
    this.#isStale = true;
    this.#notBeforeMs = performance.now();
  }

  /** Marks the access as stale, so that `reload` is called before anything more is sent. */
  invalidate(): void {
    this.doubt();
    this.#wake();
  }

  close(): void {
    this.#changes.close();
  }
}

/**
 * Checks the access of all watches that are due within a quarter of a second in one statement, so that a thousand followers of
 * running answers cost the database as much as a few.
 */
export class AccessBatch {
  readonly #db: Database;
  #due: AccessWatch[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds a watch to the next check, which invalidates it if its viewer may not see the thread any more. */
  add(watch: AccessWatch): void {
    this.#due.push(watch);
    if (this.#due.length === 1) setTimeout(() => void this.#check(), GATHER_MS).unref();
  }

  async #check(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    try {
      const visible = await visibleOf(
        this.#db,
        due.map(({ viewer, threadId }) => ({ viewerId: viewer.id, threadId })),
      );
      due.forEach((watch, index) => {
        if (visible[index] !== true) watch.invalidate();
      });
    } catch (error) {
      log.warn({ followers: due.length, failure: failureName(error) }, 'followers could not be checked');
    }
  }
}

/** The current thread, read once for all followers with this viewer; undefined if the viewer may not see it. */
export async function findFollowedThread(
  deps: Pick<AccessDeps, 'db' | 'sharedReads'>,
  viewer: Viewer,
  threadId: string,
  { notBeforeMs = 0 }: { notBeforeMs?: number } = {},
): Promise<Thread | undefined> {
  const load = () => findThreads(deps, viewer, [threadId]);
  const topics = [threadId, viewer.id];
  const [thread] = await deps.sharedReads.read(nameOf(viewer, threadId), load, { topics, notBeforeMs });
  return thread;
}

/** Shares a thread that its viewer has just been found to see, so that following it needs no further read. */
export function rememberThread(sharedReads: SharedReads, viewer: Viewer, thread: Thread): void {
  sharedReads.put(nameOf(viewer, thread.id), [thread], [thread.id, viewer.id]);
}

function nameOf(viewer: Viewer, threadId: string): string {
  return `${viewer.id} thread ${threadId}`;
}

export interface AccessDeps {
  db: Database;
  changes: Changes;
  sharedReads: SharedReads;
  accessBatch: AccessBatch;
  changeLooks: ChangeLooks;
}

/** The last event of a follower whose viewer may not see it any more, with the error that a new request would get. */
export interface AccessLost {
  type: 'access-lost';
  error: NotFoundError;
}

/** How old the last check of a viewer's access may be when no change was announced. */
export const CHECK_AFTER_MS = 5_000;

const GATHER_MS = 250;
