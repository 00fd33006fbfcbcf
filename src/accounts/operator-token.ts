import { createHash, timingSafeEqual } from 'node:crypto';
import { networkOf } from '../networks.ts';
import { SlidingWindow } from '../sliding-window.ts';

/**
 * The word by which a program of whoever runs this server is known, such as a billing system or the command line. It stands
 * for no person and opens nothing but what asks for it. Wrong ones are counted by the address they come from.
 */
export class OperatorToken {
  readonly #digest: Uint8Array | null;
  readonly #wrong = new SlidingWindow(WINDOW_MS);

  /** Without a token nobody is known. */
  constructor(token: string | null) {
    this.#digest = token === null ? null : digestOf(token);
  }

  /**
   * Judges what a request gives as the token. After too many wrong ones from an address the right one is not looked at
   * either: `retryAt` is when it is again.
   */
  verify(given: string, address: string): { isRight: boolean; retryAt: Date | null } {
    const limits = [{ subject: networkOf(address), most: WRONG_PER_ADDRESS }];
    const retryAt = this.#wrong.retryAt(limits);
    if (retryAt !== null) return { isRight: false, retryAt };
    // Digests have the same length whatever was given, and how far they agree tells nothing about the token.
    const isRight = this.#digest !== null && timingSafeEqual(digestOf(given), this.#digest);
    if (!isRight) this.#wrong.take(limits);
    return { isRight, retryAt: null };
  }
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

const WRONG_PER_ADDRESS = 10; // a program that is set up wrong is noticed by then
const WINDOW_MS = 10 * 60 * 1_000;
