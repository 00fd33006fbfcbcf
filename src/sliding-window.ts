/**
 * Counts what subjects did within the last so many milliseconds of the process's own time, which no setting of the clock
 * moves. Counts live in memory: a restart forgets them, and several processes would each count for themselves.
 */
export class SlidingWindow {
  readonly #windowMs: number;
  readonly #times = new Map<string, number[]>();
  #sweptAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /**
   * Counts one for every subject if each has one left of the most it may do, and returns null. Else it counts nothing and
   * returns when to come back.
   */
  take(limits: readonly Limit[], nowMs: number = performance.now()): Date | null {
    this.#sweep(nowMs);
    const retryAt = this.retryAt(limits, nowMs);
    if (retryAt !== null) return retryAt;
    for (const { subject } of limits) this.#add(subject, nowMs);
    return null;
  }

  /** Takes back the newest count of each subject, for what turned out to be no try. */
  giveBack(subjects: readonly string[]): void {
    for (const subject of subjects) this.#times.get(subject)?.pop();
  }

  /** When every subject has one left; null for now. Counts nothing, for those who are counted only if they fail. */
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

  /** Forgets every subject that did nothing lately; once per window, so that many subjects do not make each count slow. */
  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + this.#windowMs) return;
    this.#sweptAtMs = nowMs;
    for (const subject of this.#times.keys())
      if (this.#recent(subject, nowMs).length === 0) this.#times.delete(subject);
  }
}

export interface Limit {
  /** Who or what is counted, e.g. `address 203.0.113.7`. */
  subject: string;
  /** How often within the window, at least 1. */
  most: number;
}

/** Whoever has that many addresses has no use for one count less; the memory is a few dozen mebibytes. */
const MAX_SUBJECTS = 100_000;
