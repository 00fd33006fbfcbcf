import type { ChangeListener, Changes } from '../changes.ts';
import type { NotFoundError } from '../errors.ts';

/**
 * Tells a follower when to look whether its viewer may still see what it follows: before anything else is told once a change
 * was announced that may have ended that, and when the last look is some seconds old, since an announcement may be lost. For
 * the tokens between two looks it is one comparison.
 */
export class Sight {
  readonly #doubts: ChangeListener;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** A first look is due at once: what was read before the listening began may have changed since. */
  constructor(changes: Changes, topics: readonly string[], wake: () => void) {
    this.#doubts = changes.listen(topics, wake);
  }

  get mustLook(): boolean {
    return this.#doubts.isDirty || performance.now() - this.#lookedAtMs > LOOK_AFTER_MS;
  }

  /** To be called right before a look. */
  looking(): void {
    this.#doubts.take();
    this.#lookedAtMs = performance.now();
  }

  close(): void {
    this.#doubts.close();
  }
}

/** The last thing a follower is told when its viewer may not see it any more: what asking anew would be answered. */
export interface Gone {
  type: 'gone';
  error: NotFoundError;
}

/** How old a look may be that what is told rests on, where nothing was announced. */
export const LOOK_AFTER_MS = 5_000; // a thousand followers of running answers then ask the database 200 times a second
