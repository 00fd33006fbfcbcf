/**
 * Something that is read step by step and wakes its reader when there may be more: nothing is queued for a slow reader. A
 * step that needs the database is a promise; one that does not costs no turn of the event loop.
 */
export interface Pollable<Event> {
  take(): Polled<Event> | Promise<Polled<Event>>;
  close(): void;
}

/** One step: an event, nothing at the moment, or nothing ever again. */
export type Polled<Event> = { type: 'event'; event: Event } | typeof IDLE | typeof DONE;

export const IDLE = { type: 'idle' } as const;
export const DONE = { type: 'done' } as const;

/** The step that is this event. */
export function polled<Event>(event: Event): Polled<Event> {
  return { type: 'event', event };
}

/**
 * A source with one reader, who either takes its steps and is woken, or reads it as the async iterator that GraphQL asks for. It
 * is written by hand because an async generator that is parked on a promise does not settle on `return()`: a client that has
 * left would be served until the next token.
 */
export class Following<Event> implements AsyncIterableIterator<Event, undefined, undefined> {
  readonly #source: Pollable<Event>;
  #onWake: (() => void) | undefined;
  /** Whether there may be something that was not taken yet. */
  #isAwake = false;
  #isClosed = false;

  /** `open` gets the function that wakes the reader. */
  constructor(open: (wake: () => void) => Pollable<Event>) {
    this.#source = open(() => {
      this.#isAwake = true;
      this.#onWake?.();
    });
  }

  /** Calls `onWake` from now on whenever there may be something to take. */
  wakeWith(onWake: () => void): void {
    this.#onWake = onWake;
  }

  /** The next step. An idle one means that the reader will be woken. */
  take(): Polled<Event> | Promise<Polled<Event>> {
    if (this.#isClosed) return DONE;
    this.#isAwake = false;
    const step = this.#source.take();
    return step instanceof Promise ? this.#settled(step) : step;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#source.close();
    this.#onWake?.();
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    try {
      for (;;) {
        const step = await this.take();
        if (step.type === 'event') return { done: false, value: step.event };
        if (step.type === 'done') break;
        // It may have been woken since the step was taken.
        if (!this.#isAwake) await new Promise<void>((resolve) => this.wakeWith(resolve));
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return await this.return();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A reader that was woken while the step was pending is not woken again, so an idle step is taken once more. */
  async #settled(pending: Promise<Polled<Event>>): Promise<Polled<Event>> {
    const step = await pending;
    if (this.#isClosed) return DONE;
    return step.type === 'idle' && this.#isAwake ? await this.take() : step;
  }
}
