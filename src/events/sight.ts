import type { Viewer } from '../accounts/session.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { NotFoundError } from '../errors.ts';
import { failureName, log } from '../log.ts';
import { findThreads, type Thread } from '../threads/thread.ts';

/**
 * Whether a viewer may still see a thread that is being followed. Once a change was announced that may have ended that,
 * nothing more is told before a look at the database. An announcement may be lost, so there is one every few seconds too,
 * but behind the telling: tokens do not wait for it, and go on while the database is away, when nobody can lose a right.
 */
export class Sight {
  readonly #deps: { db: Database };
  readonly #viewer: Viewer;
  readonly #threadId: string;
  readonly #wake: () => void;
  readonly #doubts: ChangeListener;
  /** A first look is due at once: what was read before the listening began may have changed since. */
  #isDoubtful = true;
  #lookedAtMs = 0;

  constructor(deps: { db: Database; changes: Changes }, viewer: Viewer, threadId: string, wake: () => void) {
    this.#deps = deps;
    this.#viewer = viewer;
    this.#threadId = threadId;
    this.#wake = wake;
    this.#doubts = deps.changes.listen([threadId, viewer.id], wake);
  }

  /** Whether what is known may be told; else a look comes first. For most tokens two comparisons. */
  mayTell(): boolean {
    if (this.#isDoubtful || this.#doubts.isDirty) return false;
    if (performance.now() - this.#lookedAtMs > LOOK_AFTER_MS) void this.#lookBehind();
    return true;
  }

  /** The thread, if the viewer may still see it. */
  async look(): Promise<Thread | undefined> {
    this.#doubts.take();
    this.#lookedAtMs = performance.now();
    const [thread] = await findThreads(this.#deps, this.#viewer, [this.#threadId]);
    this.#isDoubtful = thread === undefined;
    return thread;
  }

  close(): void {
    this.#doubts.close();
  }

  async #lookBehind(): Promise<void> {
    try {
      if ((await this.look()) === undefined) this.#wake();
    } catch (error) {
      log.warn({ threadId: this.#threadId, failure: failureName(error) }, 'a follower could not be checked');
    }
  }
}

/** The last thing a follower is told when its viewer may not see it any more: what asking anew would be answered. */
export interface Gone {
  type: 'gone';
  error: NotFoundError;
}

/** How old a look may be that what is told rests on, where nothing was announced. */
export const LOOK_AFTER_MS = 5_000; // a thousand followers of running answers then ask the database 200 times a second
