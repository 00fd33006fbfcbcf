import type { Pollable } from '../pollable.ts';

/**
 * Turns a source into the iterator that GraphQL reads. It is written by hand because an async generator that is parked on
 * a promise does not settle on `return()`: a client that has left would be served until the next token.
 * `open` gets the function that wakes a parked reader.
 */
export function toAsyncIterator<T>(
  open: (wake: () => void) => Pollable<T>,
): AsyncIterableIterator<T, undefined, undefined> {
  let isClosed = false;
  let wakeParked = () => {};
  let isAwake = false;
  const source = open(() => {
    isAwake = true;
    wakeParked();
  });

  function close(): IteratorReturnResult<undefined> {
    if (!isClosed) {
      isClosed = true;
      source.close();
      wakeParked();
    }
    return { done: true, value: undefined };
  }

  return {
    async next() {
      try {
        while (!isClosed) {
          isAwake = false;
          const taken = source.take();
          const step = taken instanceof Promise ? await taken : taken;
          if (isClosed || step.type === 'done') break;
          if (step.type === 'event') return { done: false, value: step.event };
          if (isAwake) continue;
          await new Promise<void>((resolve) => {
            wakeParked = resolve;
          });
        }
      } catch (error) {
        close();
        throw error;
      }
      return close();
    },
    async return() {
      return close();
    },
    async throw(error) {
      close();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
