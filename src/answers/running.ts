import { BusyError } from '../errors.ts';
import type { LiveAnswer } from './live-answer.ts';

/** The answers that this process is writing. */
export class RunningAnswers {
  readonly #live = new Map<string, { answer: LiveAnswer; personId: string; isBegun: boolean }>();
  readonly #closing = new AbortController();
  readonly #emptied = Promise.withResolvers<void>();

  get(messageId: string): LiveAnswer | undefined {
    return this.#live.get(messageId)?.answer;
  }

  has(messageId: string): boolean {
    return this.#live.has(messageId);
  }

  /** Those whose rows are committed. */
  begun(): LiveAnswer[] {
    return [...this.#live.values()].filter(({ isBegun }) => isBegun).map(({ answer }) => answer);
  }

  /**
   * Takes these answers in, before they are committed: whoever then finds one in the database as being written finds it
   * here too. Throws BusyError when the person or the server has too many.
   */
  add(personId: string, answers: readonly LiveAnswer[]): void {
    if (this.isClosed) throw new BusyError('This server is shutting down. Try again in a moment.', null);
    const ofPerson = [...this.#live.values()].filter((running) => running.personId === personId).length;
    if (ofPerson + answers.length > MAX_RUNNING_PER_PERSON)
      throw new BusyError(
        `At most ${MAX_RUNNING_PER_PERSON} answers may be written for you at a time. Wait for one to end.`,
        null,
      );
    if (this.#live.size + answers.length > MAX_RUNNING)
      throw new BusyError('This server is writing as many answers as it can. Try again in a moment.', null);
    for (const answer of answers) this.#live.set(answer.id, { answer, personId, isBegun: false });
  }

  /** Says that these answers are committed. */
  begin(answers: readonly LiveAnswer[]): void {
    for (const { id } of answers) {
      const running = this.#live.get(id);
      if (running !== undefined) running.isBegun = true;
    }
  }

  remove(answer: LiveAnswer): void {
    this.#live.delete(answer.id);
    if (this.isClosed && this.#live.size === 0) this.#emptied.resolve();
  }

  /** Takes no further answers. Resolves when the last one has ended. */
  close(): Promise<void> {
    this.#closing.abort();
    if (this.#live.size === 0) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Aborted once no further answers are taken. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }
}

const MAX_RUNNING_PER_PERSON = 16; // two comparisons of eight models
const MAX_RUNNING = 200;
