import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';
import { SlidingWindow } from '../sliding-window.ts';

/** Limits how often somebody tries invitations, so that nobody searches for one that is open. */
export class InvitationLimits {
  readonly #tries = new SlidingWindow(WINDOW_MS);

  /** Counts one try by this person. Throws BusyError when there is none left. */
  take(viewer: Viewer): void {
    const retryAt = this.#tries.take([{ subject: viewer.id, most: TRIES_PER_PERSON }]);
    if (retryAt !== null)
      throw new BusyError(
        'You have tried too many invitations in the last 10 minutes. Wait a little, then try again.',
        retryAt,
      );
  }
}

const TRIES_PER_PERSON = 20; // a link that was copied badly, and then copied well
const WINDOW_MS = 10 * 60 * 1_000;
