import { AsyncLocalStorage } from 'node:async_hooks';
import { APIError } from 'better-auth/api';
import { hashPassword, verifyPassword } from 'better-auth/crypto';
import type { PasswordAttempt } from './attempt-limits.ts';

/**
 * Hashes passwords a few at a time: each takes 16 MiB and a thread for a twentieth of a second. Further ones wait in a queue.
 * When the queue is full, the methods throw an APIError.
 */
export class PasswordHashes {
  readonly #scrypt: Scrypt;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(scrypt: Scrypt = { hash: hashPassword, verify: verifyPassword }) {
    this.#scrypt = scrypt;
  }

  /** Makes the hash that `hash` returns later in the same request, while a transaction is open. */
  async prepare(password: string): Promise<void> {
    const scope = accountScope.getStore();
    if (scope !== undefined) scope.prepared = { password, hash: await this.hash(password) };
  }

  async hash(password: string): Promise<string> {
    const prepared = accountScope.getStore()?.prepared;
    if (prepared?.password === password) return prepared.hash;
    return await this.#inTurn(() => this.#scrypt.hash(password));
  }

  async verify({ hash, password }: { hash: string; password: string }): Promise<boolean> {
    return await this.#inTurn(() => this.#scrypt.verify({ hash, password }));
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < AT_ONCE) this.#running++;
    else await this.#turn();
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next(); // the next one takes over this slot, so the count stays
    }
  }

  async #turn(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING)
      throw new APIError('SERVICE_UNAVAILABLE', OVERLOADED, { 'retry-after': '5' });
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

interface Scrypt {
  hash(password: string): Promise<string>;
  verify(attempt: { hash: string; password: string }): Promise<boolean>;
}

export const MAX_PASSWORD_LENGTH = 128; // better-auth's; a longer one is refused before it is hashed

const AT_ONCE = 3; // libuv has four threads, and DNS lookups need one
const MAX_WAITING = 300; // the last in the queue waits for a few seconds

const OVERLOADED = {
  code: 'OVERLOADED',
  message: 'Too many people are signing in at this moment. Try again in a few seconds.',
};

/** What is known so far about the account request that is being answered. */
export const accountScope = new AsyncLocalStorage<AccountScope>();

export interface AccountScope {
  /** The attempt that was counted for this request. */
  attempt?: PasswordAttempt;
  /** A hash that was made before the transaction that stores it. */
  prepared?: { password: string; hash: string };
}
