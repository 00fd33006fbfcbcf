import { AsyncLocalStorage } from 'node:async_hooks';
import type { PasswordAttempt } from './attempt-limits.ts';

/** What has been found out about the request to an account that is being answered. */
export const accountScope = new AsyncLocalStorage<AccountScope>();

export interface AccountScope {
  /** Counted already. */
  attempt?: PasswordAttempt;
  /** A hash that was made before the transaction that stores it. */
  prepared?: { password: string; hash: string };
}
