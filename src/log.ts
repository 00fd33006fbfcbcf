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
});

/** A failure's name for the log: an error code where there is one, else its class. Messages may quote data, so they stay out. */
export function failureName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = codeOf(error) ?? codeOf(error.cause);
  return code === undefined ? error.name : `${error.name} ${code}`;
}

function codeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  return typeof value.code === 'string' ? value.code : undefined;
}
