/** An answer whose readers are woken by the clock. */
export interface Flushed {
  /** Wakes the readers, unless they were woken since this was asked for. */
  flush(): void;
}

/**
 * Decides when the readers of answers are woken for new text. The first piece after a pause is flushed at once, at the end of the
 * turn of the event loop in which it came. After that an answer is flushed at most once in a window, so that several pieces are
 * sent as one: a provider that is slower than the window is not delayed, and one that is faster costs less. The window grows with
 * the number of readers, each of whom costs a write, and with the lag of the event loop.
 */
export class FlushClock {
  #soon: Flushed[] = [];
  readonly #later = new Map<Flushed, number>();
  #isImmediate = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #askedAtMs = 0;
  #lagMs = 0;

  /** Asks for a flush of an answer that was flushed at this time and has so many readers. */
  ask(answer: Flushed, flushedAtMs: number, readers: number): void {
    const nowMs = performance.now();
    const dueAtMs = flushedAtMs + this.#windowMs(readers);
    if (dueAtMs <= nowMs) this.#flushSoon(answer, nowMs);
    else {
      this.#later.set(answer, dueAtMs);
      this.#wakeBy(dueAtMs, nowMs);
    }
  }

  /** Flushes now what was to be flushed later, since much has gathered. */
  hasten(answer: Flushed): void {
    if (this.#later.delete(answer)) this.#flushSoon(answer, performance.now());
  }

  #windowMs(readers: number): number {
    return Math.min(WINDOW_MS + WINDOW_MS_A_READER * readers + 2 * this.#lagMs, LONGEST_WINDOW_MS);
  }

  #flushSoon(answer: Flushed, nowMs: number): void {
    this.#soon.push(answer);
    if (this.#isImmediate) return;
    this.#isImmediate = true;
    this.#askedAtMs = nowMs;
    setImmediate(this.#flushAsked);
  }

  readonly #flushAsked = () => {
    this.#isImmediate = false;
    this.#noteLag(performance.now() - this.#askedAtMs);
    const due = this.#soon;
    this.#soon = [];
    for (const answer of due) answer.flush();
  };

  #wakeBy(dueAtMs: number, nowMs: number): void {
    if (dueAtMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = dueAtMs;
    this.#timer = setTimeout(this.#flushDue, dueAtMs - nowMs);
  }

  readonly #flushDue = () => {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    for (const [answer, dueAtMs] of this.#later) {
      if (dueAtMs > nowMs + TOGETHER_MS) {
        this.#wakeBy(dueAtMs, nowMs);
        continue;
      }
      this.#later.delete(answer);
      this.#noteLag(nowMs - dueAtMs);
      answer.flush();
    }
  };

  /** The lag is a moving average of how late flushes are. */
  #noteLag(lateMs: number): void {
    this.#lagMs += (Math.max(lateMs, 0) - this.#lagMs) / 16;
  }
}

/** The clock of this process. */
export const flushClock = new FlushClock();

const WINDOW_MS = 8; // half of what a screen shows as one frame
const WINDOW_MS_A_READER = 0.25; // a write takes some hundredth of a millisecond: all readers of an answer a few hundredths of the time
const LONGEST_WINDOW_MS = 33; // two frames of a screen, which is too short to be seen
const TOGETHER_MS = 2; // what is due so soon is flushed in the same pass
