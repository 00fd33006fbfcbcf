import { AsyncLocalStorage } from 'node:async_hooks';
import { pino } from 'pino';
import { LogOutput, standardOutput } from './log-output.ts';

/** The output of `log`. */
export const logOutput = new LogOutput(standardOutput());

/**
 * The server's log: JSON lines on standard output. Lines carry names, ids and codes that the caller chose; never an error
 * object, a variable, a text or a secret.
 */
export const log = pino(
  {
    name: 'latchkey',
    level: 'info',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: () => {
      const { startedAtMs, ...names } = logScope.getStore() ?? {};
      if (startedAtMs === undefined) return names;
      return { ...names, ms: Math.round(performance.now() - startedAtMs) };
    },
  },
  logOutput,
);

/** Fields of all lines that are written on behalf of one request or operation. */
export const logScope = new AsyncLocalStorage<LogScope>();

export interface LogScope {
  /** Also sent to the client in `x-request-id`; operations on one socket share that of its handshake. */
  requestId: string;
  /** On the clock of `performance.now()`; lines carry the milliseconds since. */
  startedAtMs?: number;
  /** The name that the client gave the operation. */
  operation?: string;
  /** Id of the user who sends the request or whose account it acts on, once known. */
  userId?: string;
  /** Network address of the client, for requests to an account. */
  address?: string;
  /** Why a request to an account was refused. */
  code?: string | undefined;
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
