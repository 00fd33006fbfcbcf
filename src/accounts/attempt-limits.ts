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
  /** Mails that one account causes from one network address in an hour; twice that from all new addresses together. */
  mailsPerAccount: number;
  /** Mails that one network address causes in an hour. */
  mailsPerAddress: number;
}

/** A password that is tried, or a mail that is asked for. */
export interface PasswordAttempt {
  /** Id of the account it is for, else the email it was given with; null for nobody's, who is counted by address alone. */
  account: string | null;
  /** Network address of the client. */
  address: string;
  /** Whether the account has been signed in to from there. */
  isKnownAddress: boolean;
}

/**
 * Limits how often passwords are tried, accounts are made and mails are asked for. Passwords are counted by the account they are for, whichever
 * request carries them. An address from which the account has been signed in to has tries of its own, so that nobody can
 * lock its person out by failing in their name from elsewhere.
 */
export class AttemptLimits {
  readonly #numbers: AttemptNumbers;
  readonly #unlimited: Networks;
  readonly #passwords = new SlidingWindow(10 * 60 * 1_000);
  readonly #signUps = new SlidingWindow(60 * 60 * 1_000);
  readonly #mails = new SlidingWindow(60 * 60 * 1_000);

  /** Addresses in `unlimited` are not counted by address: many people share them. */
  constructor(numbers: AttemptNumbers, unlimited: Networks) {
    this.#numbers = numbers;
    this.#unlimited = unlimited;
  }

  /** Counts one password. Null if it may be looked at, else when to come back. */
  takePassword(attempt: PasswordAttempt): Date | null {
    const { signInsPerAccount, signInsPerAddress } = this.#numbers;
    return this.#passwords.take(this.#byBoth(attempt, signInsPerAccount, signInsPerAddress));
  }

  /** Takes the count off the account again, since the password was right. It stays with the address. */
  giveBackPassword(attempt: PasswordAttempt): void {
    this.#passwords.giveBack([...subjectsFromHere(attempt), ...subjectsFromNew(attempt)]);
  }

  /** Counts one account that is made. Null if it may be, else when to come back. */
  takeSignUp(address: string): Date | null {
    return this.#signUps.take(this.#byAddress(address, this.#numbers.signUpsPerAddress));
  }

  /** Counts one mail. Null if it may be sent, else when to come back. */
  takeMail(attempt: PasswordAttempt): Date | null {
    const { mailsPerAccount, mailsPerAddress } = this.#numbers;
    return this.#mails.take(this.#byBoth(attempt, mailsPerAccount, mailsPerAddress));
  }

  #byBoth(attempt: PasswordAttempt, perAccount: number, perAddress: number) {
    return [
      ...this.#byAddress(attempt.address, perAddress),
      ...subjectsFromHere(attempt).map((subject) => ({ subject, most: perAccount })),
      ...subjectsFromNew(attempt).map((subject) => ({ subject, most: perAccount * 2 })),
    ];
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
