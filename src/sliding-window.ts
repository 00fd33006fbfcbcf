/**
 * A rate limit by sliding window: counts what each subject did within the last milliseconds of the process's monotonic clock,
 * which setting the system time does not move. Counts live in memory: a restart forgets them, and each process has its own.
 */
export class SlidingWindow {
  readonly #windowMs: number;
  readonly #times = new Map<string, number[]>();
  #sweptAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /**
   * Counts one for every subject if each is below its limit, and returns null. Else it counts nothing and returns when to
   * retry.
   */
  take(limits: readonly Limit[], nowMs: number = performance.now()): Date | null {
    this.#sweep(nowMs);
    const retryAt = this.retryAt(limits, nowMs);
    if (retryAt !== null) return retryAt;
    for (const { subject } of limits) this.#add(subject, nowMs);
    return null;
  }

  /** Takes back the newest count of each subject, for a try that should not have counted. */
  giveBack(subjects: readonly string[]): void {
    for (const subject of subjects) this.#times.get(subject)?.pop();
  }

  /** When every subject is below its limit; null for now. Counts nothing, for callers that count only failures. */
  retryAt(limits: readonly Limit[], nowMs: number = performance.now()): Date | null {
    const waits = limits.map(({ subject, most }) => {
      const oldest = this.#recent(subject, nowMs).at(-most);
      return oldest === undefined ? 0 : oldest + this.#windowMs - nowMs;
    });
    const waitMs = Math.max(0, ...waits);
    return waitMs === 0 ? null : new Date(Date.now() + waitMs);
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

export interface Limit {
  /** What is counted, e.g. `address 203.0.113.7`. */
  subject: string;
  /** How often within the window, at least 1. */
  most: number;
}

/** An attacker with that many addresses gains nothing from a dropped count; the memory is a few dozen mebibytes. */
const MAX_SUBJECTS = 100_000;
