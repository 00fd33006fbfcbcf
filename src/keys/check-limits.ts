import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';
import { SlidingWindow } from '../sliding-window.ts';
import type { Probe } from './probe.ts';

/**
 * Limits how often keys are checked with their providers: a check is an oracle for stolen keys. Refused checks are what a
 * guesser makes, so few of them are allowed; a person who adds a key of every provider makes many that are not.
 */
export class CheckLimits {
  readonly #all = new SlidingWindow(WINDOW_MS);
  readonly #refused = new SlidingWindow(WINDOW_MS);
  readonly #underWay = new Map<string, number>();
  #ended = Promise.withResolvers<void>();

  /**
   * Runs a check for this person at this address. Throws BusyError when either has none left. A check under way may yet be
   * refused and counts as such until it ends, so that no more can be tried at once than one after the other; one that would
   * exceed the limit by that waits.
   */
  async run<Checked extends { probe: Probe }>(
    viewer: Viewer,
    check: () => Promise<Checked>,
  ): Promise<Checked> {
    const subjects = [
      { subject: `person ${viewer.id}`, most: REFUSED_PER_PERSON },
      { subject: `address ${viewer.address}`, most: REFUSED_PER_ADDRESS },
    ];
    requireRoom(this.#refused.retryAt(subjects, Date.now()));
    requireRoom(
      this.#all.take(
        subjects.map(({ subject }) => ({ subject, most: CHECKS })),
        Date.now(),
      ),
    );
    while (!this.#hasRoom(subjects)) {
      await this.#ended.promise;
      requireRoom(this.#refused.retryAt(subjects, Date.now()));
    }
    this.#count(subjects, 1);
    try {
      const checked = await check();
      if (checked.probe.refusal !== null) this.#refused.take(subjects, Date.now());
      return checked;
    } finally {
      this.#count(subjects, -1);
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    }
  }

  /** Whether no subject reaches its limit even if every check under way is refused. */
  #hasRoom(subjects: readonly { subject: string; most: number }[]): boolean {
    return subjects.every(({ subject, most }) => {
      const left = most - (this.#underWay.get(subject) ?? 0);
      return left > 0 && this.#refused.retryAt([{ subject, most: left }], Date.now()) === null;
    });
  }

  #count(subjects: readonly { subject: string }[], change: number): void {
    for (const { subject } of subjects) {
      const count = (this.#underWay.get(subject) ?? 0) + change;
      if (count === 0) this.#underWay.delete(subject);
      else this.#underWay.set(subject, count);
    }
  }
}

function requireRoom(retryAt: Date | null): void {
  if (retryAt === null) return;
  throw new BusyError(
    'Too many keys were checked in the last 10 minutes. Wait a little, then try again.',
    retryAt,
  );
}

const REFUSED_PER_PERSON = 10;
const REFUSED_PER_ADDRESS = 30;
const CHECKS = 100; // whatever comes of them, for a person and for an address
const WINDOW_MS = 10 * 60 * 1_000;
