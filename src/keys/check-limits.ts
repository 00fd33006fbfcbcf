import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';
import { type Networks, networkOf } from '../networks.ts';
import { SlidingWindow } from '../sliding-window.ts';
import type { CheckResult } from './health.ts';

/**
 * Limits how often keys are checked with their providers: a check is an oracle for stolen keys. An attacker who tries keys gets
 * refusals, so few refused checks are allowed; a person who adds a key of every provider makes many accepted ones.
 */
export class CheckLimits {
  readonly #numbers: CheckNumbers;
  readonly #unlimited: Networks;
  readonly #all = new SlidingWindow(WINDOW_MS);
  readonly #refused = new SlidingWindow(WINDOW_MS);
  readonly #running = new Map<string, number>();
  #ended = Promise.withResolvers<void>();

  /** Addresses in `unlimited` are not counted by address: many people share them. */
  constructor(numbers: CheckNumbers, unlimited: Networks) {
    this.#numbers = numbers;
    this.#unlimited = unlimited;
  }

  /**
   * Runs a check for this person at this address. Throws BusyError when either has reached its limit. A running check counts as
   * refused until it ends, so that concurrent checks cannot exceed the limit; a check that would exceed it only for that reason
   * waits.
   */
  async run<Checked extends { result: CheckResult }>(
    viewer: Viewer,
    check: () => Promise<Checked>,
  ): Promise<Checked> {
    const subjects = this.#subjectsOf(viewer);
    requireRoom(this.#refused.retryAt(subjects));
    requireRoom(this.#all.take(subjects.map(({ subject }) => ({ subject, most: CHECKS }))));
    while (!this.#hasRoom(subjects)) {
      await this.#ended.promise;
      requireRoom(this.#refused.retryAt(subjects));
    }
    this.#count(subjects, 1);
    try {
      const checked = await check();
      if (checked.result.refusal !== null) this.#refused.take(subjects);
      return checked;
    } finally {
      this.#count(subjects, -1);
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    }
  }

  #subjectsOf({ id, address }: Viewer): { subject: string; most: number }[] {
    const { keyChecksPerPerson, keyChecksPerAddress } = this.#numbers;
    const person = { subject: `person ${id}`, most: keyChecksPerPerson };
    if (this.#unlimited.includes(address)) return [person];
    return [person, { subject: `address ${networkOf(address)}`, most: keyChecksPerAddress }];
  }

  /** Whether no subject reaches its limit even if every running check is refused. */
  #hasRoom(subjects: readonly { subject: string; most: number }[]): boolean {
    return subjects.every(({ subject, most }) => {
      const left = most - (this.#running.get(subject) ?? 0);
      return left > 0 && this.#refused.retryAt([{ subject, most: left }]) === null;
    });
  }

  #count(subjects: readonly { subject: string }[], change: number): void {
    for (const { subject } of subjects) {
      const count = (this.#running.get(subject) ?? 0) + change;
      if (count === 0) this.#running.delete(subject);
      else this.#running.set(subject, count);
    }
  }
}

/** Limits on refused checks in ten minutes. */
export interface CheckNumbers {
  keyChecksPerPerson: number;
  keyChecksPerAddress: number;
}

function requireRoom(retryAt: Date | null): void {
  if (retryAt === null) return;
  throw new BusyError(
    'Too many keys were checked in the last 10 minutes. Wait a little, then try again.',
    retryAt,
  );
}

const CHECKS = 100; // accepted or refused, for a person and for an address
const WINDOW_MS = 10 * 60 * 1_000;
