/**
 * Divides the event loop between those who wait for the database. What a request does with a reply can take milliseconds, and
 * many replies may arrive at once, from one read of a socket or port: without turns no other socket would be read before all of
 * them are done.
 */
export class ReplyTurns {
  readonly #waiting: (() => void)[] = [];
  /** When this turn of the loop began; null if `next` has not been called in it. */
  #beganAtMs: number | null = null;

  /** Resolves at once while this turn of the loop is young, else in a turn of its own, in the order of the calls. */
  next(): Promise<void> | undefined {
    if (this.#beganAtMs === null) {
      this.#beganAtMs = performance.now();
      setImmediate(() => this.#begin());
    }
    const isYoung = performance.now() - this.#beganAtMs < TURN_MS;
    if (isYoung && this.#waiting.length === 0) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #begin(): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) {
      this.#beganAtMs = null;
      return;
    }
    this.#beganAtMs = performance.now();
    setImmediate(() => this.#begin());
    resolve();
  }
}

const TURN_MS = 4; // others wait about twice as long at most
