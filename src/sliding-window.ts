/**
 * Counts what somebody did within the last so many milliseconds. Counts live in memory: a restart forgets them, and several
 * processes would each count for themselves.
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
  take(limits: readonly Limit[], nowMs: number): Date | null {
    this.#sweep(nowMs);
    const retryAt = this.retryAt(limits, nowMs);
    if (retryAt !== null) return retryAt;
    for (const { subject } of limits) this.#times.set(subject, [...this.#recent(subject, nowMs), nowMs]);
    return null;
  }

  /** When every subject has one left; null for now. Counts nothing, for those who are counted only if they fail. */
  retryAt(limits: readonly Limit[], nowMs: number): Date | null {
    for (const { subject, most } of limits) {
      const oldest = this.#recent(subject, nowMs).at(-most);
      if (oldest !== undefined) return new Date(oldest + this.#windowMs);
    }
    return null;
  }

  #recent(subject: string, nowMs: number): number[] {
    return (this.#times.get(subject) ?? []).filter((time) => time > nowMs - this.#windowMs);
  }

  /** Forgets everybody who did nothing lately; once per window, so that many subjects do not make each count slow. */
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
