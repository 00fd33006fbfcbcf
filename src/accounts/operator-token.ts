import { createHash, timingSafeEqual } from 'node:crypto';
import { networkOf } from '../networks.ts';
import { SlidingWindow } from '../sliding-window.ts';

/**
 * The secret by which a program of the operator is recognised, such as a billing system or the command line. It belongs to no
 * user and gives access only to the operator's fields. Wrong tokens are counted by network address.
 */
export class OperatorToken {
  readonly #digest: Uint8Array | null;
  readonly #wrong = new SlidingWindow(WINDOW_MS);

  /** Null accepts no token. */
  constructor(token: string | null) {
    this.#digest = token === null ? null : digestOf(token);
  }

  /**
   * Compares a request's token. After too many wrong ones from an address the right one is refused as well, until `retryAt`.
   */
  verify(given: string, address: string): { isValid: boolean; retryAt: Date | null } {
    const limits = [{ subject: networkOf(address), most: WRONG_PER_ADDRESS }];
    const retryAt = this.#wrong.retryAt(limits);
    if (retryAt !== null) return { isValid: false, retryAt };
    // Digests have the same length whatever was given, and the time of comparing them reveals nothing about the token.
    const isValid = this.#digest !== null && timingSafeEqual(digestOf(given), this.#digest);
    if (!isValid) this.#wrong.take(limits);
    return { isValid, retryAt: null };
  }
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

const WRONG_PER_ADDRESS = 10; // a program that is set up wrong is noticed by then
const WINDOW_MS = 10 * 60 * 1_000;
