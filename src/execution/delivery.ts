import { AsyncLocalStorage } from 'node:async_hooks';

/** A subscription that is woken when it may have something to send. */
export interface Woken {
  /** Sends what there is. Never throws. */
  pump(): void;
}

/**
 * The passes in which subscriptions send. All that are woken in one turn of the event loop send in one pass, so that what goes
 * to one connection leaves in one write, and several changes announced together are read once.
 */
class Delivery {
  #woken: Woken[] = [];
  #written: { flush(): void }[] = [];
  #isScheduled = false;

  /** Lets a subscription send in the next pass. */
  wake(subscription: Woken): void {
    this.#woken.push(subscription);
    this.#schedule();
  }

  /** Flushes the outbox of a connection at the end of the pass. */
  flushAfterwards(outbox: { flush(): void }): void {
    this.#written.push(outbox);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#run);
  }

  readonly #run = () => outsideOfScopes(this.#pass);

  readonly #pass = () => {
    const woken = this.#woken;
    // The rest waits for incoming messages and tokens to be read, which thousands of writes would starve.
    this.#woken = woken.length > MOST_AT_ONCE ? woken.splice(MOST_AT_ONCE) : [];
    for (const subscription of woken) subscription.pump();
    const written = this.#written;
    this.#written = [];
    for (const outbox of written) outbox.flush();
    this.#isScheduled = this.#woken.length > 0;
    if (this.#isScheduled) setImmediate(this.#run);
  };
}

/** Runs a function outside of the log scope of whichever answer was the first to wake a subscription. */
const outsideOfScopes = AsyncLocalStorage.snapshot();

/** The passes of this process. */
export const delivery = new Delivery();

const MOST_AT_ONCE = 512;
