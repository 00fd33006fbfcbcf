import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { FleetTimes } from '../fleet/times.ts';
import { failureName, log } from '../log.ts';
import { type Message, readMessages } from '../threads/message.ts';
import { RemoteAnswer } from './remote-answer.ts';
import { readProgress } from './remote-progress.ts';

/**
 * The answers of other servers that are followed here. The database is asked for all of them together, once a heartbeat: their
 * servers save the text that often. An announcement about an answer makes it due at once.
 */
export class RemoteAnswers {
  readonly #deps: { db: Database; changes: Changes };
  readonly #times: FleetTimes;
  readonly #followed = new Map<string, { answer: RemoteAnswer; changes: ChangeListener }>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: { db: Database; changes: Changes }, times: FleetTimes) {
    this.#deps = deps;
    this.#times = times;
  }

  /** The answer, if it is followed here. */
  get(answerId: string): RemoteAnswer | undefined {
    return this.#followed.get(answerId)?.answer;
  }

  /** Follows an answer that another server writes, from the text that the message has so far. */
  follow({
    id,
    threadId,
    text,
    reasoning,
  }: Pick<Message, 'id' | 'threadId' | 'text' | 'reasoning'>): RemoteAnswer {
    const known = this.#followed.get(id);
    if (known !== undefined) return known.answer;
    const answer = new RemoteAnswer({ id, threadId });
    answer.add({ part: 'REASONING', offset: 0, text: reasoning });
    answer.add({ part: 'TEXT', offset: 0, text });
    const changes = this.#deps.changes.listen(threadId, () => {
      if (changes.take().includes(id)) this.#lookIn(0);
    });
    this.#followed.set(id, { answer, changes });
    this.#lookIn(this.#times.beatMs);
    return answer;
  }

  /** Waits until an answer of another server has ended, but not for longer than this. */
  async untilEnded(message: Message, patienceMs: number): Promise<void> {
    const answer = this.follow(message);
    const cursor = answer.read(
      { text: Number.POSITIVE_INFINITY, reasoning: Number.POSITIVE_INFINITY },
      () => {},
    );
    await Promise.race([answer.ended, sleep(patienceMs, undefined, { ref: false })]);
    cursor.close();
  }

  /** Stops looking. Readers are sent nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    for (const { changes } of this.#followed.values()) changes.close();
    this.#followed.clear();
  }

  #lookIn(delayMs: number): void {
    if (this.#isClosed || this.#looking !== undefined) return;
    if (this.#timer !== undefined && delayMs > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
        if (this.#followed.size > 0) this.#lookIn(this.#times.beatMs);
      });
    }, delayMs);
  }

  async #look(): Promise<void> {
    const followed = [...this.#followed.values()].map(({ answer }) => answer);
    for (const answer of followed) if (answer.isLeft(LINGER_MS)) this.#forget(answer.id);
    const due = followed.filter(({ id }) => this.#followed.has(id));
    if (due.length === 0) return;
    try {
      const progress = await readProgress(this.#deps.db, due);
      const ended: string[] = [];
      for (const answer of due) {
        const found = progress.get(answer.id);
        if (found?.isWriting) for (const piece of found.pieces) answer.addChunk(piece);
        else ended.push(answer.id);
      }
      if (ended.length > 0) await this.#publishEnds(ended);
    } catch (error) {
      log.warn(
        { answers: due.length, failure: failureName(error) },
        'answers of other servers could not be read',
      );
    }
  }

  /** Ends the followed answers with these ids with what was saved of them. */
  async #publishEnds(ids: readonly string[]): Promise<void> {
    const saved = new Map((await readMessages(this.#deps, ids)).map((message) => [message.id, message]));
    for (const id of ids) {
      this.get(id)?.publishEnd(saved.get(id) ?? null);
      this.#forget(id);
    }
  }

  #forget(answerId: string): void {
    this.#followed.get(answerId)?.changes.close();
    this.#followed.delete(answerId);
  }
}

const LINGER_MS = 5_000; // a page that is reloaded follows again
