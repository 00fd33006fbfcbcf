import { AsyncLocalStorage } from 'node:async_hooks';
import { pino } from 'pino';

/**
 * The server's log: JSON lines on standard output, or readable ones on a terminal. Lines carry names, ids and codes that the
 * caller chose; never an error object, a variable, a text or a secret.
 */
export const log = pino({
  name: 'latchkey',
  level: 'info',
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  mixin: () => ({ ...logScope.getStore() }),
});

/** What all lines carry that are written on behalf of one request or operation. */
export const logScope = new AsyncLocalStorage<LogScope>();

export interface LogScope {
  /** Also sent to the client in `x-request-id`; operations on one socket share that of its handshake. */
  requestId: string;
  /** The name that the client gave the operation. */
  operation?: string;
  /** Whose account the request acts on, once that is known. */
  userId?: string;
}

/** A failure's name for the log: an error code where there is one, else its class. Messages may quote data, so they stay out. */
export function failureName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = failureCode(error);
  return code === undefined ? error.name : `${error.name} ${code}`;
}

/** The code that Node, the driver or PostgreSQL gave a failure, also one that Drizzle wrapped; undefined if it has none. */
export function failureCode(error: unknown): string | undefined {
  return codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined);
}

function codeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  return typeof value.code === 'string' ? value.code : undefined;
}
