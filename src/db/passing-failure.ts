import { failureCode } from '../log.ts';

/**
 * Whether a failure of the database passes by itself: it is away, being restarted or full, has no connection left, or did
 * not get at a row that others hold. The same statement may succeed a little later.
 */
export function isPassingFailure(error: unknown): boolean {
  const code = failureCode(error) ?? '';
  return isUnreachable(code) || PASSING.test(code);
}

/** Whether this is the code of a server, network or name that is not up yet. */
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
  'ENOTFOUND', // in a network of containers a name begins with its container
  'ENOENT', // and a Unix socket with its server
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'NO_REPLY',
  '57P03', // it is starting up, or recovering
  '57P01', // it is being restarted
  '53300', // it has as many connections as it takes
]);

/** PostgreSQL's codes, and `NO_CONNECTION` of our own pool. */
const PASSING = new RegExp(
  [
    'NO_CONNECTION',
    '08...', // the connection failed
    '25006', // it only reads: a standby, or full
    '25P0[34]', // it ended a transaction that took too long
    '40001', // others were at the same rows, again and again
    '40P01',
    '53...', // no memory, disk or connection is left
    '55P03', // a lock was not to be had
    '57014', // a statement took too long, as it does behind a lock
    '57P0.',
    '58030', // its disk failed
  ]
    .map((code) => `^${code}$`)
    .join('|'),
);
