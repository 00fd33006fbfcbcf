import type { Viewer } from '../accounts/session.ts';
import { BusyError } from '../errors.ts';
import type { CreateWindow, Limit, SlidingWindow } from '../limits/sliding-window.ts';
import { type Networks, networkOf } from '../networks.ts';
import type { CheckResult } from './health.ts';

/**
 * Limits how often keys are checked with their providers: a check is an oracle for stolen keys. An attacker who tries keys gets
 * refusals, so few refused checks are allowed; a person who adds a key of every provider makes many accepted ones.
 */
export class CheckLimits {
  readonly #numbers: CheckNumbers;
  readonly #unlimited: Networks;
  readonly #all: SlidingWindow;
  readonly #refused: SlidingWindow;
  readonly #running = new Map<string, number>();
  #ended = Promise.withResolvers<void>();
  #lastAdmission: Promise<unknown> = Promise.resolve();

  /** Addresses in `unlimited` are not counted by address: many people share them. */
  constructor(numbers: CheckNumbers, unlimited: Networks, createWindow: CreateWindow) {
    this.#numbers = numbers;
    this.#unlimited = unlimited;
    this.#all = createWindow('checks', WINDOW_MS);
    this.#refused = createWindow('refused-checks', WINDOW_MS);
  }

  /**
   * Runs a check for this person at this address. Throws BusyError when either has reached its limit. A check counts as refused
   * from its beginning and is taken back if it was not, so that concurrent checks cannot exceed the limit, whichever server
   * runs them. A check that would exceed it only because others run on this server waits for them; what runs on another server
   * cannot be told from what was refused there.
   */
  async run<Checked extends { result: Pick<CheckResult, 'refusal'> }>(
    viewer: Viewer,
    check: () => Promise<Checked>,
  ): Promise<Checked> {
    const subjects = this.#subjectsOf(viewer);
    let admission = await this.#inTurn(() => this.#begin(subjects));
    while (admission.type === 'full') {
      await admission.ended;
      admission = await this.#inTurn(() => this.#admit(subjects));
    }
    let isRefused = false;
    try {
      const checked = await check();
      isRefused = checked.result.refusal !== null;
      return checked;
    } finally {
      if (!isRefused) await this.#refused.giveBack(subjects.map(({ subject }) => subject));
      this.#count(subjects, -1);
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    }
  }

  #subjectsOf({ id, address }: Viewer): Limit[] {
    const { keyChecksPerPerson, keyChecksPerAddress } = this.#numbers;
    const person = { subject: `person ${id}`, most: keyChecksPerPerson };
    if (this.#unlimited.includes(address)) return [person];
    return [person, { subject: `address ${networkOf(address)}`, most: keyChecksPerAddress }];
  }

  /** Admissions follow each other, so that a count which another one is about to take is known as that of a running check. */
  #inTurn<Result>(admit: () => Promise<Result>): Promise<Result> {
    const admission = this.#lastAdmission.then(admit);
    this.#lastAdmission = admission.catch(() => {});
    return admission;
  }

  async #begin(subjects: readonly Limit[]): Promise<Admission> {
    await this.#requireFewRefused(this.#withoutRunning(subjects));
    requireRoom(await this.#all.take(subjects.map(({ subject }) => ({ subject, most: CHECKS }))));
    return await this.#admit(subjects);
  }

  async #admit(subjects: readonly Limit[]): Promise<Admission> {
    const { promise: ended } = this.#ended;
    const idle = this.#withoutRunning(subjects);
    const retryAt = await this.#refused.take(subjects);
    if (retryAt === null) {
      this.#count(subjects, 1);
      return { type: 'admitted' };
    }
    if (idle.length === subjects.length) requireRoom(retryAt);
    await this.#requireFewRefused(idle);
    return { type: 'full', ended };
  }

  /** The subjects of which no check runs here: all that is counted of them was refused, or runs on another server. */
  #withoutRunning(subjects: readonly Limit[]): Limit[] {
    return subjects.filter(({ subject }) => !this.#running.has(subject));
  }

  async #requireFewRefused(subjects: readonly Limit[]): Promise<void> {
    requireRoom(await this.#refused.retryAt(subjects));
  }

  #count(subjects: readonly Limit[], change: number): void {
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

/** Whether a check may run. `ended` resolves when a check of this server has ended, after which it is worth asking again. */
type Admission = { type: 'admitted' } | { type: 'full'; ended: Promise<void> };

function requireRoom(retryAt: Date | null): void {
  if (retryAt === null) return;
  throw new BusyError(
    'Too many keys were checked in the last 10 minutes. Wait a little, then try again.',
    retryAt,
  );
}

const CHECKS = 100; // accepted or refused, for a person and for an address
const WINDOW_MS = 10 * 60 * 1_000;
