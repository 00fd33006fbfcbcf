import { failureName, type LogScope, log, logScope } from '../log.ts';

/** Logs the code that the client is sent, once per operation even if several fields have it. */
export function logFailure(code: string): void {
  const scope = logScope.getStore();
  if (scope !== undefined) {
    const logged = LOGGED.get(scope) ?? new Set();
    if (logged.has(code)) return;
    LOGGED.set(scope, logged.add(code));
  }
  log[OPERATORS_CODES.has(code) ? 'warn' : 'info']({ code }, 'an operation failed');
}

/** Logs a failure of ours, whose name the client is not sent. */
export function logOwnFailure(code: 'INTERNAL' | 'OVERLOADED', error: unknown): void {
  log.error({ code, failure: failureName(error) }, 'an operation failed');
}

const LOGGED = new WeakMap<LogScope, Set<string>>();

/** An operator may have to do something about these. */
const OPERATORS_CODES = new Set([
  'RATE_LIMITED',
  'BUSY',
  'TOO_MANY_SUBSCRIPTIONS',
  'DOCUMENT_LIMIT',
  'KEY_UNAVAILABLE',
]);
