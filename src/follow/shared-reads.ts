import type { Changes } from '../changes.ts';

/**
 * Reads that followers share. Whoever follows a thing with hundreds of subscriptions makes all of them reload at once, for the
 * same rows with the same rights. A read is shared while nothing has been announced since it began, and for a second after it
 * ended at most, so nobody is given what was read before the change they were woken for.
 */
export class SharedReads {
  readonly #changes: Changes;
  readonly #reads = new Map<string, Read>();

  constructor(changes: Changes) {
    this.#changes = changes;
  }

  /**
   * The result of `load`, or of an earlier one under this name, which says whose rights it has and everything else that it
   * depends on. `notBeforeMs` asks for one that began no earlier, by the process's own time.
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

  /** The map is in the order in which they began. */
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
  /** Null while it is under way. */
  endedAtMs: number | null;
  revision: number;
}

const SHARED_FOR_MS = 1_000;
