import { failureCode } from '../log.ts';

/**
 * Whether a failure of the database is transient: it is away, restarting or full, has no connection left, or could not lock a
 * row. The same statement may succeed a little later.
 */
export function isTransientFailure(error: unknown): boolean {
  const code = failureCode(error) ?? '';
  return isUnreachable(code) || PASSING.test(code);
}

/** Whether this is the code of a server that is not up, a network that fails or a name that does not resolve. */
export function isUnreachable(code: string): boolean {
  return UNREACHABLE.has(code);
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND', // in a network of containers a name exists only once its container runs
  'ENOENT', // a Unix socket exists only once its server runs
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'NO_REPLY',
  '57P03', // it is starting up, or recovering
  '57P01', // it is being restarted
  '53300', // too many connections
]);

/** PostgreSQL's codes, and `NO_CONNECTION` of our own pool. */
const PASSING = new RegExp(
  [
    'NO_CONNECTION',
    '08...', // the connection failed
    '25006', // it is read-only: a standby, or its disk is full
    '25P0[34]', // it ended a transaction that took too long
    '40001', // serialization failure or deadlock (40P01), also after retries
    '40P01',
    '53...', // no memory, disk or connection is left
    '55P03', // a lock was not available
    '57014', // a statement took too long, as it does behind a lock
    '57P0.',
    '58030', // its disk failed
  ]
    .map((code) => `^${code}$`)
    .join('|'),
);
