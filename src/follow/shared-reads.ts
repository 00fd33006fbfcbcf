import type { Changes } from '../changes.ts';

/**
 * Shares reads between followers. Hundreds of subscriptions of one viewer to one thing reload at once, the same rows with the
 * same rights. A read is shared while nothing that can change it has been announced since it began, and for at most a second after it ended, so
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
   * depends on.
   */
  read<Result>(name: string, load: () => Promise<Result>, options: ReadOptions = {}): Promise<Result> {
    const { notBeforeMs = 0 } = options;
    const nowMs = performance.now();
    const known = this.#reads.get(name);
    if (known !== undefined && this.#isFresh(known, nowMs) && known.beganAtMs >= notBeforeMs)
      return known.result as Promise<Result>;
    this.#sweep(nowMs);
    const result = load();
    const read = this.#add(name, result, options.topics);
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

  /** Shares what a writer knows anyway, as if it had been read now. */
  put<Result>(name: string, result: Result, topics: readonly string[]): void {
    this.#add(name, Promise.resolve(result), topics).endedAtMs = performance.now();
  }

  #add(name: string, result: Promise<unknown>, topics: readonly string[] | undefined): Read {
    const { revision } = this.#changes;
    const read: Read = { result, topics, revision, beganAtMs: performance.now(), endedAtMs: null };
    this.#reads.delete(name);
    this.#reads.set(name, read);
    return read;
  }

  #isFresh({ endedAtMs, revision, topics, beganAtMs }: Read, nowMs: number): boolean {
    if (nowMs - (endedAtMs ?? nowMs) >= SHARED_FOR_MS) return false;
    return topics === undefined
      ? revision === this.#changes.revision
      : this.#changes.isUnchanged(topics, revision, beganAtMs);
  }

  /** Deletes old reads. The map is in the order in which they began. */
  #sweep(nowMs: number): void {
    for (const [name, read] of this.#reads) {
      if (this.#isFresh(read, nowMs)) return;
      this.#reads.delete(name);
    }
  }
}

interface ReadOptions {
  /** The topics on which everything is announced that can change the result; all announcements if absent. */
  topics?: readonly string[];
  /** On the monotonic clock: a read that began earlier is not shared. */
  notBeforeMs?: number;
}

interface Read {
  result: Promise<unknown>;
  topics: readonly string[] | undefined;
  beganAtMs: number;
  /** Null while it is pending. */
  endedAtMs: number | null;
  revision: number;
}

const SHARED_FOR_MS = 1_000;
