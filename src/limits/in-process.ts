import type { CreateWindow, Limit, SlidingWindow } from './sliding-window.ts';

/** Opens windows that count in the memory of this process, for a lone server. */
export const createInProcessWindow: CreateWindow = (_name, windowMs) => new InProcessWindow(windowMs);

/**
 * A sliding window by the process's monotonic clock, which setting the system time does not move. Counts live in memory: a
 * restart forgets them, and each process has its own. Every method has decided before it returns its promise.
 */
export class InProcessWindow implements SlidingWindow {
  readonly #windowMs: number;
  readonly #times = new Map<string, number[]>();
  #sweptAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  async take(limits: readonly Limit[], nowMs: number = performance.now()): Promise<Date | null> {
    const waitMs = this.#waitMs(limits, nowMs);
    if (waitMs > 0) return new Date(Date.now() + waitMs);
    this.count(limits, nowMs);
    return null;
  }

  /** Counts one for every subject, whatever the limits are. */
  count(subjects: readonly Pick<Limit, 'subject'>[], nowMs: number = performance.now()): void {
    this.#sweep(nowMs);
    for (const { subject } of subjects) this.#add(subject, nowMs);
  }

  async giveBack(subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) this.#times.get(subject)?.pop();
  }

  async retryAt(limits: readonly Limit[], nowMs: number = performance.now()): Promise<Date | null> {
    const waitMs = this.#waitMs(limits, nowMs);
    return waitMs === 0 ? null : new Date(Date.now() + waitMs);
  }

  #waitMs(limits: readonly Limit[], nowMs: number): number {
    const waits = limits.map(({ subject, most }) => {
      const oldest = this.#recent(subject, nowMs).at(-most);
      return oldest === undefined ? 0 : oldest + this.#windowMs - nowMs;
    });
    return Math.max(0, ...waits);
  }

  #add(subject: string, nowMs: number): void {
    const times = this.#recent(subject, nowMs);
    this.#times.delete(subject);
    this.#times.set(subject, [...times, nowMs]);
    const [oldest] = this.#times.keys();
    if (this.#times.size > MAX_SUBJECTS && oldest !== undefined) this.#times.delete(oldest);
  }

  #recent(subject: string, nowMs: number): number[] {
    return (this.#times.get(subject) ?? []).filter((time) => time > nowMs - this.#windowMs);
  }

  /** Removes subjects without recent counts; once per window, so that many subjects do not make each count slow. */
  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + this.#windowMs) return;
    this.#sweptAtMs = nowMs;
    for (const subject of this.#times.keys())
      if (this.#recent(subject, nowMs).length === 0) this.#times.delete(subject);
  }
}

/** An attacker with that many addresses gains nothing from a dropped count; the memory is a few dozen mebibytes. */
const MAX_SUBJECTS = 100_000;
