import type { CreateWindow, Limit, SlidingWindow } from '../limits/sliding-window.ts';
import { type Networks, networkOf } from '../networks.ts';

/** The limits on tries. */
export interface AttemptNumbers {
  /** Wrong passwords for one account from one network address in ten minutes; twice that from all new addresses together. */
  signInsPerAccount: number;
  /** Passwords for all accounts from one network address in ten minutes. */
  signInsPerAddress: number;
  /** Accounts made from one network address in an hour. */
  signUpsPerAddress: number;
  /** Mails that one account causes from one network address in an hour; twice that from all new addresses together. */
  mailsPerAccount: number;
  /** Mails that one network address causes in an hour. */
  mailsPerAddress: number;
}

/** One try of a password, or one request for a mail. */
export interface PasswordAttempt {
  /** Id of the account it is for, else the email that was given; null without either, which is counted by address alone. */
  account: string | null;
  /** Network address of the client. */
  address: string;
  /** Whether the account has been signed in to from there. */
  isKnownAddress: boolean;
}

/**
 * Limits how often passwords are tried, accounts are made and mails are requested. Passwords are counted by the account they
 * are for, on every endpoint that takes one. An address that has signed in to the account before has its own count, so that
 * an attacker elsewhere cannot lock the user out with wrong passwords.
 */
export class AttemptLimits {
  readonly #numbers: AttemptNumbers;
  readonly #unlimited: Networks;
  readonly #passwords: SlidingWindow;
  readonly #signUps: SlidingWindow;
  readonly #mails: SlidingWindow;

  /** Addresses in `unlimited` are not counted by address: many people share them. */
  constructor(numbers: AttemptNumbers, unlimited: Networks, createWindow: CreateWindow) {
    this.#numbers = numbers;
    this.#unlimited = unlimited;
    this.#passwords = createWindow('passwords', 10 * 60 * 1_000);
    this.#signUps = createWindow('sign-ups', 60 * 60 * 1_000);
    this.#mails = createWindow('mails', 60 * 60 * 1_000);
  }

  /** Counts one password. Null if it may be tried, else when to retry. */
  async takePassword(attempt: PasswordAttempt): Promise<Date | null> {
    const { signInsPerAccount, signInsPerAddress } = this.#numbers;
    return await this.#passwords.take(this.#byBoth(attempt, signInsPerAccount, signInsPerAddress));
  }

  /** Takes back the account's count, since the password was right. The count of the address stays. */
  async giveBackPassword(attempt: PasswordAttempt): Promise<void> {
    await this.#passwords.giveBack([...subjectsFromHere(attempt), ...subjectsFromNew(attempt)]);
  }

  /** Counts one new account. Null if it may be made, else when to retry. */
  async takeSignUp(address: string): Promise<Date | null> {
    return await this.#signUps.take(this.#byAddress(address, this.#numbers.signUpsPerAddress));
  }

  /** Counts one mail. Null if it may be sent, else when to retry. */
  async takeMail(attempt: PasswordAttempt): Promise<Date | null> {
    const { mailsPerAccount, mailsPerAddress } = this.#numbers;
    return await this.#mails.take(this.#byBoth(attempt, mailsPerAccount, mailsPerAddress));
  }

  #byBoth(attempt: PasswordAttempt, perAccount: number, perAddress: number): Limit[] {
    return [
      ...this.#byAddress(attempt.address, perAddress),
      ...subjectsFromHere(attempt).map((subject) => ({ subject, most: perAccount })),
      ...subjectsFromNew(attempt).map((subject) => ({ subject, most: perAccount * 2 })),
    ];
  }

  #byAddress(address: string, most: number): Limit[] {
    return this.#unlimited.includes(address) ? [] : [{ subject: `address ${networkOf(address)}`, most }];
  }
}

function subjectsFromHere({ account, address }: PasswordAttempt): string[] {
  return account === null ? [] : [`account ${account} from ${networkOf(address)}`];
}

function subjectsFromNew({ account, isKnownAddress }: PasswordAttempt): string[] {
  return account === null || isKnownAddress ? [] : [`account ${account} from new addresses`];
}
