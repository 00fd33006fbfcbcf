import type { Viewer } from '../accounts/session.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { NotFoundError } from '../errors.ts';
import { findThreads, type Thread } from '../threads/thread.ts';
import type { SharedReads } from './shared-reads.ts';
import type { SightChecks } from './sight-checks.ts';

/**
 * Whether a viewer may still see a thread that is being followed. Once a change was announced that may have ended that,
 * nothing more is told before a look at the database. An announcement may be lost, so it is checked every few seconds too,
 * but behind the telling: tokens do not wait for it, and go on while the database is away, when nobody can lose a right.
 */
export class Sight {
  readonly viewer: Viewer;
  readonly threadId: string;
  readonly #deps: SightDeps;
  readonly #wake: () => void;
  readonly #doubts: ChangeListener;
  /** A first look is due at once: what was read before the listening began may have changed since. */
  #isDoubtful = true;
  #lookedAtMs = 0;

  constructor(deps: SightDeps, viewer: Viewer, threadId: string, wake: () => void) {
    this.#deps = deps;
    this.viewer = viewer;
    this.threadId = threadId;
    this.#wake = wake;
    this.#doubts = deps.changes.listen([threadId, viewer.id], wake);
  }

  /** Whether what is known may be told; else a look comes first. For most tokens a few comparisons. */
  mayTell(): boolean {
    if (this.#isDoubtful || this.#doubts.isDirty) return false;
    if (performance.now() - this.#lookedAtMs > LOOK_AFTER_MS) {
      this.#lookedAtMs = performance.now();
      this.#deps.sightChecks.add(this);
    }
    return true;
  }

  /** The thread, if the viewer may still see it. */
  async look(): Promise<Thread | undefined> {
    this.#doubts.take();
    this.#lookedAtMs = performance.now();
    const thread = await findFollowedThread(this.#deps, this.viewer, this.threadId);
    this.#isDoubtful = thread === undefined;
    return thread;
  }

  /** Has it looked at before anything more is told. */
  doubt(): void {
    this.#isDoubtful = true;
    this.#wake();
  }

  close(): void {
    this.#doubts.close();
  }
}

/** The thread as it is now, read once for all who follow it as this viewer; undefined if they may not see it. */
export async function findFollowedThread(
  deps: Pick<SightDeps, 'db' | 'sharedReads'>,
  viewer: Viewer,
  threadId: string,
): Promise<Thread | undefined> {
  const load = () => findThreads(deps, viewer, [threadId]);
  const [thread] = await deps.sharedReads.read(`${viewer.id} thread ${threadId}`, load);
  return thread;
}

export interface SightDeps {
  db: Database;
  changes: Changes;
  sharedReads: SharedReads;
  sightChecks: SightChecks;
}

/** The last thing a follower is told when its viewer may not see it any more: what asking anew would be answered. */
export interface Gone {
  type: 'gone';
  error: NotFoundError;
}

/** How old a look may be that what is told rests on, where nothing was announced. */
export const LOOK_AFTER_MS = 5_000;
