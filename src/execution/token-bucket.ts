/** A token bucket per subject: a rate with a burst. Time is monotonic. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();
  #sweptAtMs = 0;

  constructor(perSecond: number, most: number) {
    this.#perMs = perSecond / 1_000;
    this.#most = most;
  }

  /** Takes one token. Null if there was one, else the milliseconds until there is. */
  take(subject: string, nowMs: number = performance.now()): number | null {
    const bucket = this.#bucketOf(subject, nowMs);
    if (bucket.left < 1) return (1 - bucket.left) / this.#perMs;
    bucket.left -= 1;
    return null;
  }

  /** Takes `count` tokens, into debt if necessary, but never into more debt than one full bucket. */
  charge(subject: string, count: number, nowMs: number = performance.now()): void {
    const bucket = this.#bucketOf(subject, nowMs);
    bucket.left = Math.max(bucket.left - count, -this.#most);
  }

  #bucketOf(subject: string, nowMs: number): Bucket {
    this.#sweep(nowMs);
    const bucket = this.#buckets.get(subject) ?? { left: this.#most, filledAtMs: nowMs };
    bucket.left = Math.min(this.#most, bucket.left + (nowMs - bucket.filledAtMs) * this.#perMs);
    bucket.filledAtMs = nowMs;
    this.#buckets.set(subject, bucket);
    return bucket;
  }

  /** Deletes buckets that are full again. */
  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + SWEEP_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [subject, { left, filledAtMs }] of this.#buckets)
      if (left + (nowMs - filledAtMs) * this.#perMs >= this.#most) this.#buckets.delete(subject);
  }
}

interface Bucket {
  left: number;
  filledAtMs: number;
}

const SWEEP_MS = 60_000;
