import { createTransport, type Transporter } from 'nodemailer';
import { failureName, log } from './log.ts';

/** A mail in plain text, to one person. */
export interface Mail {
  /** What it is for, under the name that the log uses. */
  purpose: 'password-reset' | 'email-change' | 'email-change-notice';
  to: string;
  subject: string;
  text: string;
}

/** A mail server and the sender of its mails. */
export interface MailSettings {
  host: string;
  port: number;
  /** TLS from the first byte (`smtps:`). */
  isTls: boolean;
  /** Whether a connection without STARTTLS is refused. */
  requiresTls: boolean;
  /** Null for a server that asks for no password. */
  credentials: { user: string; pass: string } | null;
  from: { name: string; address: string };
}

/**
 * Sends mails without making the request wait, so that the time of a response does not reveal whether a mail was sent. A mail
 * that cannot be sent within the deadline is logged by its purpose and lost: the person can ask for another one.
 */
export class Mailer {
  readonly #transporter: Transporter;
  readonly #from: MailSettings['from'];
  readonly #sending = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor({ host, port, isTls, requiresTls, credentials, from }: MailSettings) {
    this.#from = from;
    this.#transporter = createTransport({
      host,
      port,
      secure: isTls,
      requireTLS: requiresTls,
      ...(credentials !== null && { auth: credentials }),
      connectionTimeout: SEND_TIMEOUT_MS,
      greetingTimeout: SEND_TIMEOUT_MS,
      socketTimeout: SEND_TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  send(mail: Mail): void {
    if (this.#sending.size >= MOST_AT_ONCE || this.#closing.signal.aborted) {
      log.warn({ mail: mail.purpose }, 'a mail was not sent, since too many are on their way');
      return;
    }
    const sending = this.#deliver(mail).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** Waits a few seconds for mails that are being sent, then aborts them. */
  async close(): Promise<void> {
    const giveUp = setTimeout(() => this.#closing.abort(), CLOSE_TIMEOUT_MS);
    await Promise.all(this.#sending);
    clearTimeout(giveUp);
    this.#closing.abort();
  }

  async #deliver({ purpose, to, subject, text }: Mail): Promise<void> {
    try {
      await this.#transporter.sendMail({
        from: this.#from,
        to: { name: '', address: to }, // an object is used as it is: a text would be parsed for further addresses
        subject,
        text,
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
        headers: { 'auto-submitted': 'auto-generated' }, // RFC 3834: no automatic replies
      });
      log.info({ mail: purpose }, 'a mail was sent');
    } catch (error) {
      // The server's own words quote addresses, so only its code is logged.
      log.warn({ mail: purpose, failure: failureName(error) }, 'a mail could not be sent');
    }
  }
}

const SEND_TIMEOUT_MS = 30_000; // a server that greets slowly to keep spam away takes up to 20 seconds
const CLOSE_TIMEOUT_MS = 3_000; // the whole server should have ended within ten
const MOST_AT_ONCE = 50; // each holds a connection; more would wait in vain when the server is away
