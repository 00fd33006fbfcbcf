import { addAbortListener } from 'node:events';
import { ReadingFailedError } from './reading-failed.ts';

/**
 * A fair queue: two files are read at a time, never two of one person, and persons take turns. So files of one person, however
 * many and slow, do not hold up those of others.
 */
export class ReadingQueue {
  /** Beginnings of waiting reads by person; the person whose turn is next is first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #waitingCount = 0;
  /** Persons of whom a file is being read. */
  readonly #reading = new Set<string>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /**
   * Runs `read` in its turn, with a signal that is aborted with the given one or when the queue closes. Throws the signal's
   * reason if that happens before, and ReadingFailedError if the queue is full or closed.
   */
  async run<Result>(
    userId: string,
    signal: AbortSignal,
    read: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    either.throwIfAborted();
    await this.#turn(userId, either);
    try {
      either.throwIfAborted();
      return await this.#track(read(either));
    } finally {
      this.#reading.delete(userId);
      this.#moveToEnd(userId);
      this.#beginNext();
    }
  }

  /** Ends what waits and what runs, and resolves when all of it has ended. */
  async close(): Promise<void> {
    this.#closing.abort(new ReadingFailedError('CLOSED'));
    await Promise.allSettled(this.#running);
  }

  async #turn(userId: string, signal: AbortSignal): Promise<void> {
    if (this.#mayBegin(userId)) {
      this.#reading.add(userId);
      return;
    }
    const line = this.#waiting.get(userId) ?? [];
    if (line.length >= MOST_WAITING_OF_PERSON || this.#waitingCount >= MOST_WAITING) {
      throw new ReadingFailedError('QUEUE_FULL');
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    line.push(resolve);
    this.#waiting.set(userId, line);
    this.#waitingCount += 1;
    using _listener = addAbortListener(signal, () => {
      const place = line.indexOf(resolve);
      if (place === -1) return; // its turn has come in this moment
      line.splice(place, 1);
      this.#waitingCount -= 1;
      if (line.length === 0) this.#waiting.delete(userId);
      reject(signal.reason);
    });
    await promise;
  }

  async #track<Result>(running: Promise<Result>): Promise<Result> {
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #mayBegin(userId: string): boolean {
    return this.#reading.size < WIDTH && !this.#reading.has(userId);
  }

  /** A person who had a file read comes after all others who wait. */
  #moveToEnd(userId: string): void {
    const line = this.#waiting.get(userId);
    this.#waiting.delete(userId);
    if (line !== undefined) this.#waiting.set(userId, line);
  }

  #beginNext(): void {
    for (const [userId, line] of this.#waiting) {
      if (!this.#mayBegin(userId)) continue;
      const begin = line.shift();
      if (line.length === 0) this.#waiting.delete(userId);
      this.#waitingCount -= 1;
      this.#reading.add(userId);
      begin?.();
    }
  }
}

const WIDTH = 2; // a reader uses a core and up to 512 MiB
const MOST_WAITING_OF_PERSON = 100; // more than a message may refer to
const MOST_WAITING = 5_000;
