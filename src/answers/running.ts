import { BusyError, ShuttingDownError } from '../errors.ts';
import type { LiveAnswer } from './live-answer.ts';

/** How many answers may be written at a time. */
export interface AnswerLimits {
  total: number;
  perPerson: number;
}

/** The answers that this process is writing. */
export class RunningAnswers {
  readonly #live = new Map<string, Running>();
  readonly #answers: SharedLimit;
  #isDraining = false;
  readonly #closing = new AbortController();
  readonly #emptied = Promise.withResolvers<void>();
  /** The checkpoint that is being saved; undefined for none. */
  checkpoint: Promise<void> | undefined;

  constructor(limits: AnswerLimits) {
    this.#answers = { ...limits, least: LEAST_ANSWERS };
  }

  get(answerId: string): LiveAnswer | undefined {
    return this.#live.get(answerId)?.answer;
  }

  has(answerId: string): boolean {
    return this.#live.has(answerId);
  }

  all(): LiveAnswer[] {
    return [...this.#live.values()].map(({ answer }) => answer);
  }

  /** The answers whose rows are committed. */
  begun(): LiveAnswer[] {
    return [...this.#live.values()].filter(({ isBegun }) => isBegun).map(({ answer }) => answer);
  }

  /**
   * Adds answers before they are committed, so that one that is being written in the database is always found here too.
   * Throws BusyError when the person or the server has too many, and ShuttingDownError.
   */
  add(personId: string, answers: readonly Added[]): void {
    if (this.#isDraining) throw new ShuttingDownError(soon());
    const all = [...this.#live.values()];
    const own = all.filter((running) => running.personId === personId);
    this.#requireAnswers(all.length, own.length, answers.length);
    const long = answers.filter(({ heldBytes }) => heldBytes > SHORT_BYTES);
    if (long.length > 0) requireBytes(bytesOf(all), bytesOf(own), bytesOf(long));
    for (const { live, heldBytes } of answers)
      this.#live.set(live.id, { answer: live, personId, heldBytes, isBegun: false });
  }

  /** Marks these answers as committed. */
  begin(answers: readonly LiveAnswer[]): void {
    for (const { id } of answers) {
      const running = this.#live.get(id);
      if (running !== undefined) running.isBegun = true;
    }
  }

  remove(answer: LiveAnswer): void {
    this.#live.delete(answer.id);
    if (this.#isDraining && this.#live.size === 0) this.#emptied.resolve();
  }

  /** Refuses further answers. Resolves when the last one has ended. */
  drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#live.size === 0) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  /** Does the same, and gives up what waits for the database. */
  close(): Promise<void> {
    this.#closing.abort();
    return this.drain();
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Aborted by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  #requireAnswers(all: number, own: number, wanted: number): void {
    const share = fairShare(this.#answers, all);
    if (own + wanted > share) {
      if (share === this.#answers.perPerson) throw tooManyOfPerson(share);
      throw new BusyError(
        `This server is busy: at most ${share} answers may be written for you at the moment. Wait for one to end, or ask fewer models.`,
        soon(),
      );
    }
    if (all + wanted > this.#answers.total)
      throw new BusyError('This server is writing as many answers as it can. Try again in a moment.', soon());
  }
}

/** The error for a person who has as many answers as may be written for one. */
export function tooManyOfPerson(most: number): BusyError {
  return new BusyError(
    `At most ${most} answers may be written for you at a time. Wait for one to end.`,
    soon(),
  );
}

/** An answer to be added, and how many bytes of its conversation are held in memory for it. */
interface Added {
  live: LiveAnswer;
  heldBytes: number;
}

interface Running {
  answer: LiveAnswer;
  personId: string;
  heldBytes: number;
  isBegun: boolean;
}

function requireBytes(all: number, own: number, wanted: number): void {
  if (own + wanted > fairShare(CONVERSATION_BYTES, all) || all + wanted > CONVERSATION_BYTES.total)
    throw new BusyError(
      'Too much text is being sent to models at the moment. Wait for an answer to end, or ask fewer models.',
      soon(),
    );
}

function bytesOf(answers: readonly Pick<Added, 'heldBytes'>[]): number {
  return answers.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
}

/** An estimate, since answers end at any moment. */
function soon(): Date {
  return new Date(Date.now() + RETRY_AFTER_MS);
}

const LEAST_ANSWERS = 4;
const RETRY_AFTER_MS = 5_000;
const MEBIBYTE = 2 ** 20;

/**
 * Each answer keeps its conversation in memory several times: as text, as JSON, and as bytes on their way. With 256 MiB
 * of the widest text a process was measured at 1.4 GiB, which is too near to the
 * limit of 1.5. A person may ask eight models about the longest one.
 */
const CONVERSATION_BYTES: SharedLimit = {
  total: 192 * MEBIBYTE,
  perPerson: 32 * MEBIBYTE,
  least: 8 * MEBIBYTE,
};
/** Not limited: even the maximum of answers with so much each needs little, so long conversations never block short ones. */
const SHORT_BYTES = MEBIBYTE / 4;

/** The total of a resource of this server, and how much of it one person may use. */
export interface SharedLimit {
  total: number;
  perPerson: number;
  /** What a person may always use, however little is left. */
  least: number;
}

/**
 * How much one person may use while `inUse` of the total is used: `perPerson` up to half of the total, then falling to `least`
 * at three quarters. So a few people cannot use up everything, and a single person is hardly limited.
 */
export function fairShare({ total, perPerson, least }: SharedLimit, inUse: number): number {
  const scarcity = Math.min(Math.max((inUse - total / 2) / (total / 4), 0), 1);
  return Math.floor(perPerson - scarcity * (perPerson - Math.min(least, perPerson)));
}
