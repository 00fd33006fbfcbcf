import { type Networks, networkOf } from '../networks.ts';
import { SlidingWindow } from '../sliding-window.ts';

/** How often may be tried. */
export interface AttemptNumbers {
  /** Wrong passwords for one account from one network address in ten minutes; twice that from all new addresses together. */
  signInsPerAccount: number;
  /** Passwords for all accounts from one network address in ten minutes. */
  signInsPerAddress: number;
  /** From one network address in an hour. */
  signUpsPerAddress: number;
}

/** A password that is tried. */
export interface PasswordAttempt {
  /** Id of the account it is for, else the email it was given with; null for nobody's, who is counted by address alone. */
  account: string | null;
  /** Network address of the client. */
  address: string;
  /** Whether the account has been signed in to from there. */
  isKnownAddress: boolean;
}

/**
 * Limits how often passwords are tried and accounts are made. Passwords are counted by the account they are for, whichever
 * request carries them. An address from which the account has been signed in to has tries of its own, so that nobody can
 * lock its person out by failing in their name from elsewhere.
 */
export class AttemptLimits {
  readonly #numbers: AttemptNumbers;
  readonly #unlimited: Networks;
  readonly #passwords = new SlidingWindow(10 * 60 * 1_000);
  readonly #signUps = new SlidingWindow(60 * 60 * 1_000);

  /** Addresses in `unlimited` are not counted by address: many people share them. */
  constructor(numbers: AttemptNumbers, unlimited: Networks) {
    this.#numbers = numbers;
    this.#unlimited = unlimited;
  }

  /** Counts one password. Null if it may be looked at, else when to come back. */
  takePassword(attempt: PasswordAttempt): Date | null {
    const { signInsPerAccount, signInsPerAddress } = this.#numbers;
    return this.#passwords.take([
      ...this.#byAddress(attempt.address, signInsPerAddress),
      ...subjectsFromHere(attempt).map((subject) => ({ subject, most: signInsPerAccount })),
      ...subjectsFromNew(attempt).map((subject) => ({ subject, most: signInsPerAccount * 2 })),
    ]);
  }

  /** Takes the count off the account again, since the password was right. It stays with the address. */
  giveBackPassword(attempt: PasswordAttempt): void {
    this.#passwords.giveBack([...subjectsFromHere(attempt), ...subjectsFromNew(attempt)]);
  }

  /** Counts one account that is made. Null if it may be, else when to come back. */
  takeSignUp(address: string): Date | null {
    return this.#signUps.take(this.#byAddress(address, this.#numbers.signUpsPerAddress));
  }

  #byAddress(address: string, most: number) {
    return this.#unlimited.includes(address) ? [] : [{ subject: `address ${networkOf(address)}`, most }];
  }
}

function subjectsFromHere({ account, address }: PasswordAttempt): string[] {
  return account === null ? [] : [`account ${account} from ${networkOf(address)}`];
}

function subjectsFromNew({ account, isKnownAddress }: PasswordAttempt): string[] {
  return account === null || isKnownAddress ? [] : [`account ${account} from new addresses`];
}
