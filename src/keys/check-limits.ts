import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';

/**
 * Limits how often keys are checked with their providers: a check tells whether a key works, which is just what somebody
 * with a list of stolen ones wants to know.
 */
export class CheckLimits {
  readonly #times = new Map<string, number[]>();

  /** Counts one check by this person from this address. Throws BusyError when either has none left. */
  take(viewer: Viewer, nowMs: number = Date.now()): void {
    this.#forget(nowMs);
    const limits = [
      [`person ${viewer.id}`, CHECKS_PER_PERSON],
      [`address ${viewer.address}`, CHECKS_PER_ADDRESS],
    ] as const;
    for (const [subject, most] of limits) {
      const times = this.#times.get(subject) ?? [];
      const oldest = times[times.length - most];
      if (oldest !== undefined) throw tooMany(new Date(oldest + WINDOW_MS));
    }
    for (const [subject] of limits) this.#times.set(subject, [...(this.#times.get(subject) ?? []), nowMs]);
  }

  #forget(nowMs: number): void {
    for (const [subject, times] of this.#times) {
      const recent = times.filter((time) => time > nowMs - WINDOW_MS);
      if (recent.length === 0) this.#times.delete(subject);
      else if (recent.length < times.length) this.#times.set(subject, recent);
    }
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
