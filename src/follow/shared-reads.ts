import type { Changes } from '../changes.ts';

/**
 * Shares reads between followers. Hundreds of subscriptions of one viewer to one thing reload at once, the same rows with the
 * same rights. A read is shared while nothing has been announced since it began, and for at most a second after it ended, so
 * no follower gets a result from before the change that woke it.
 */
export class SharedReads {
  readonly #changes: Changes;
  readonly #reads = new Map<string, Read>();

  constructor(changes: Changes) {
    this.#changes = changes;
  }

  /**
   * The result of `load`, or of an earlier one under this name, which contains the viewer and everything else that it
   * depends on. `notBeforeMs`, on the monotonic clock, refuses one that began earlier.
   */
  read<Result>(name: string, load: () => Promise<Result>, notBeforeMs = 0): Promise<Result> {
    const nowMs = performance.now();
    const known = this.#reads.get(name);
    if (known !== undefined && this.#isFresh(known, nowMs) && known.beganAtMs >= notBeforeMs)
      return known.result as Promise<Result>;
    this.#sweep(nowMs);
    const result = load();
    const read: Read = { result, beganAtMs: nowMs, endedAtMs: null, revision: this.#changes.revision };
    this.#reads.delete(name);
    this.#reads.set(name, read);
    result.then(
      () => {
        read.endedAtMs = performance.now();
      },
      () => {
        if (this.#reads.get(name) === read) this.#reads.delete(name);
      },
    );
    return result;
  }

  #isFresh({ endedAtMs, revision }: Read, nowMs: number): boolean {
    return revision === this.#changes.revision && nowMs - (endedAtMs ?? nowMs) < SHARED_FOR_MS;
  }

  /** Deletes old reads. The map is in the order in which they began. */
  #sweep(nowMs: number): void {
    for (const [name, read] of this.#reads) {
      if (this.#isFresh(read, nowMs)) return;
      this.#reads.delete(name);
    }
  }
}

interface Read {
  result: Promise<unknown>;
  beganAtMs: number;
  /** Null while it is pending. */
  endedAtMs: number | null;
  revision: number;
}

const SHARED_FOR_MS = 1_000;
