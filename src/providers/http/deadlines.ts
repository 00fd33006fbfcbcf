/** Timeouts of a provider call, in milliseconds. */
export interface Deadlines {
  /** For the name lookup and TCP connection, and once more as long for the TLS handshake. */
  connectMs: number;
  /** Longest silence until the first character of the answer's text, including the wait for the response's headers. */
  silenceBeforeTextMs: number;
  /** Longest silence from then on. */
  silenceAfterTextMs: number;
  /** For the whole answer, also if it never pauses. */
  totalMs: number;
}

/** For the built-in providers. */
export const DEADLINES: Deadlines = {
  // A reachable provider connects within a second or two; more than ten means that it is not.
  connectMs: 10_000,
  // Reasoning models think for minutes without sending anything.
  silenceBeforeTextMs: 300_000,
  // A model that has begun to write does not pause for long: after a minute of silence the connection is dead.
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

/** For xAI, which asks for this much patience with models that think hard. */
export const XAI_DEADLINES: Deadlines = { ...DEADLINES, silenceBeforeTextMs: 900_000 };
