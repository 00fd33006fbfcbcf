/**
 * Lets so many pieces of work of each subject run at a time, the others in their order after them. The event loop turns before
 * the next one begins, so that whoever sends hundreds at once is served between the others and not before them.
 */
export class Lane {
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
      // The place passes on, so `running` stays as it is.
      if (next !== undefined) setImmediate(next);
      else if (--line.running === 0) this.#lines.delete(subject);
    }
  }
}

interface Line {
  running: number;
  waiting: (() => void)[];
}
