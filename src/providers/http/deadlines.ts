/** How long the parts of a provider call may take, in milliseconds. */
export interface Deadlines {
  /** Until a connection stands, with its name lookup and, once more as long, its TLS handshake. */
  connectMs: number;
  /** Longest silence until the first character of the answer's text, the wait for the response's headers included. */
  silenceBeforeTextMs: number;
  /** Longest silence from then on. */
  silenceAfterTextMs: number;
  /** The whole answer, however lively it is. */
  totalMs: number;
}

/** For the built-in providers. */
export const DEADLINES: Deadlines = {
  // A reachable provider connects within a second or two; more than ten means that it is not.
  connectMs: 10_000,
  // Reasoning models think for minutes without a word.
  silenceBeforeTextMs: 300_000,
  // A model that has begun to write does not pause for long: a minute of nothing is a dead connection.
  silenceAfterTextMs: 60_000,
  // Longer than any answer on record; ends a stream that keeps itself alive with comments alone.
  totalMs: 1_800_000,
};

/** For CUSTOM servers, which may load a model from disk first and run it on a slow machine. */
export const CUSTOM_DEADLINES: Deadlines = {
  ...DEADLINES,
  silenceBeforeTextMs: 600_000,
  silenceAfterTextMs: 600_000,
};
