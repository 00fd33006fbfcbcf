/** Something that is read step by step and says when there may be more. */
export interface PullSource<T> {
  /** The next value; null if there is none yet; undefined once there will be none any more. */
  take(): T | null | undefined | Promise<T | null | undefined>;
  close(): void;
}

/**
 * Turns a source into the iterator that GraphQL reads. It is written by hand because an async generator that is parked on
 * a promise does not settle on `return()`: a client that has left would be served until the next token.
 * `open` gets the function that wakes a parked reader.
 */
export function pull<T>(
  open: (wake: () => void) => PullSource<T>,
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
          // A value that is there already costs no further turn of the loop.
          const value = taken instanceof Promise ? await taken : taken;
          if (isClosed || value === undefined) break;
          if (value !== null) return { done: false, value };
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
