import { createHash, timingSafeEqual } from 'node:crypto';
import type { CreateWindow, SlidingWindow } from '../limits/sliding-window.ts';
import { networkOf } from '../networks.ts';

/**
 * The secret by which a program of the operator is recognised, such as a billing system or the command line. It belongs to no
 * user and gives access only to the operator's fields. Wrong tokens are counted by network address.
 */
export class OperatorToken {
  readonly #digest: Uint8Array | null;
  readonly #wrong: SlidingWindow;

  /** Null accepts no token. */
  constructor(token: string | null, createWindow: CreateWindow) {
    this.#digest = token === null ? null : digestOf(token);
    this.#wrong = createWindow('operator-tokens', WINDOW_MS);
  }

  /**
   * Compares a request's token. After too many wrong ones from an address the right one is refused as well, until `retryAt`.
   */
  async verify(given: string, address: string): Promise<{ isValid: boolean; retryAt: Date | null }> {
    const limits = [{ subject: `address ${networkOf(address)}`, most: WRONG_PER_ADDRESS }];
    // Digests have the same length whatever was given, and the time of comparing them reveals nothing about the token.
    const isRight = this.#digest !== null && timingSafeEqual(digestOf(given), this.#digest);
    // Asked after the comparison, and with one question: requests that guess at the same time cannot overtake their counts.
    const retryAt = await (isRight ? this.#wrong.retryAt(limits) : this.#wrong.take(limits));
    return { isValid: isRight && retryAt === null, retryAt };
  }
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

const WRONG_PER_ADDRESS = 10; // a program that is set up wrong is noticed by then
const WINDOW_MS = 10 * 60 * 1_000;
