import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';
import { SlidingWindow } from '../sliding-window.ts';

/**
 * Limits how often keys are checked with their providers: a check tells whether a key works, which is just what somebody
 * with a list of stolen ones wants to know.
 */
export class CheckLimits {
  readonly #checks = new SlidingWindow(WINDOW_MS);

  /** Counts one check by this person from this address. Throws BusyError when either has none left. */
  take(viewer: Viewer, nowMs: number = Date.now()): void {
    const retryAt = this.#checks.take(
      [
        { subject: `person ${viewer.id}`, most: CHECKS_PER_PERSON },
        { subject: `address ${viewer.address}`, most: CHECKS_PER_ADDRESS },
      ],
      nowMs,
    );
    if (retryAt !== null) throw tooMany(retryAt);
  }
}

function tooMany(retryAt: Date): BusyError {
  return new BusyError(
    'Too many keys were checked in the last 10 minutes. Wait a little, then try again.',
    retryAt,
  );
}

const CHECKS_PER_PERSON = 10;
const CHECKS_PER_ADDRESS = 30;
const WINDOW_MS = 10 * 60 * 1_000;
