import type { Database } from '../db/database.ts';
import { failureName, log } from '../log.ts';
import { visibleOf } from '../threads/thread.ts';
import type { Sight } from './sight.ts';

/**
 * Checks what viewers may still see, all who are due within a moment by one statement: a thousand followers of running
 * answers cost the database no more than a few of them.
 */
export class SightChecks {
  readonly #db: Database;
  #due: Sight[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  /** Has this one checked soon. If the viewer may not see the thread any more, it comes into doubt. */
  add(sight: Sight): void {
    this.#due.push(sight);
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
      due.forEach((sight, index) => {
        if (visible[index] !== true) sight.doubt();
      });
    } catch (error) {
      log.warn({ followers: due.length, failure: failureName(error) }, 'followers could not be checked');
    }
  }
}

const GATHER_MS = 250;
