/**
 * Limits how many tasks of a subject run at a time; the others wait in order. The event loop turns before the next one begins,
 * so that a sender of hundreds at once is interleaved with other senders.
 */
export class ConcurrencyLimit {
  readonly #width: number;
  readonly #lines = new Map<string, Line>();

  constructor(width: number) {
    this.#width = width;
  }

  async run<Result>(subject: string, work: () => Result | Promise<Result>): Promise<Result> {
    const line = this.#lines.get(subject) ?? { running: 0, waiting: [] };
    this.#lines.set(subject, line);
    if (line.running < this.#width) line.running += 1;
    else await new Promise<void>((resolve) => line.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = line.waiting.shift();
      // The next task takes over the place, so `running` does not change.
      if (next !== undefined) setImmediate(next);
      else if (--line.running === 0) this.#lines.delete(subject);
    }
  }
}

interface Line {
  running: number;
  waiting: (() => void)[];
}
