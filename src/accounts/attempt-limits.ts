import { SlidingWindow } from '../sliding-window.ts';
import { MAX_EMAIL_LENGTH } from './account-input.ts';

/** How often somebody may try. */
export interface AttemptNumbers {
  /** For one email from one network address in ten minutes. */
  signInsPerAccount: number;
  /** For all emails from one network address in ten minutes. */
  signInsPerAddress: number;
  /** From one network address in an hour. */
  signUpsPerAddress: number;
}

/** Enough for a person who has forgotten which password it was, and for a class that signs up together; too few to guess. */
export const ATTEMPT_NUMBERS: AttemptNumbers = {
  signInsPerAccount: 10,
  signInsPerAddress: 100,
  signUpsPerAddress: 100,
};

/**
 * Limits how often passwords are tried and accounts are made. Whoever guesses is counted by address too, so that nobody can
 * lock a person out by failing in their name from elsewhere.
 */
export class AttemptLimits {
  readonly #numbers: AttemptNumbers;
  readonly #signIns = new SlidingWindow(10 * 60 * 1_000);
  readonly #signUps = new SlidingWindow(60 * 60 * 1_000);

  constructor(numbers: AttemptNumbers) {
    this.#numbers = numbers;
  }

  /** Counts one request to `/api/auth` plus this path. Null if it may go on, else when to come back. */
  take(path: string, email: unknown, address: string, nowMs: number = Date.now()): Date | null {
    const { signInsPerAccount, signInsPerAddress, signUpsPerAddress } = this.#numbers;
    switch (path) {
      case '/sign-in/email':
      case '/change-password':
      case '/delete-user': {
        const account = typeof email === 'string' ? email.trim().toLowerCase() : '';
        return this.#signIns.take(
          [
            { subject: `address ${address}`, most: signInsPerAddress },
            { subject: `account ${address} ${account.slice(0, MAX_EMAIL_LENGTH)}`, most: signInsPerAccount },
          ],
          nowMs,
        );
      }
      case '/sign-up/email':
        return this.#signUps.take([{ subject: address, most: signUpsPerAddress }], nowMs);
      default:
        return null;
    }
  }
}
