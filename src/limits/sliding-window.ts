/**
 * A rate limit by sliding window: counts what each subject did within the last milliseconds. A lone server counts in its own
 * memory (`in-process`), several servers count together in Redis (`redis`).
 */
export interface SlidingWindow {
  /**
   * Counts one for every subject if each is below its limit, and resolves to null. Else it counts nothing and resolves to the
   * time to retry at.
   */
  take(limits: readonly Limit[]): Promise<Date | null>;
  /** Takes back the newest count of each subject, for a try that should not have counted. */
  giveBack(subjects: readonly string[]): Promise<void>;
  /** When every subject is below its limit; null for now. Counts nothing, for callers that count only failures. */
  retryAt(limits: readonly Limit[]): Promise<Date | null>;
}

export interface Limit {
  /** What is counted, e.g. `address 203.0.113.7`. */
  subject: string;
  /** How often within the window, at least 1. */
  most: number;
}

/** Opens a window. Servers that count together know it by its name, e.g. `sign-ups`. */
export type CreateWindow = (name: string, windowMs: number) => SlidingWindow;
