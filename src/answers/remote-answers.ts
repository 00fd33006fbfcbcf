import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus, BusRecord } from '../bus/bus.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { FleetTimes } from '../fleet/times.ts';
import { failureName, log } from '../log.ts';
import { type Message, readMessages } from '../threads/message.ts';
import type { AnswerPart } from './followed-answer.ts';
import { RemoteAnswer } from './remote-answer.ts';
import { readProgress } from './remote-progress.ts';

interface RemoteDeps {
  db: Database;
  changes: Changes;
  bus: Bus;
}

/**
 * The answers of other servers that are followed here. While the bus carries them their text comes from the
 * server that writes them, their writer, and the database is only looked at now and then; without it the database is asked for all of them together
 * once a heartbeat, since their writers save the text that often. Whatever the bus loses is found by either.
 */
export class RemoteAnswers {
  readonly #deps: RemoteDeps;
  readonly #times: FleetTimes;
  readonly #followed = new Map<string, { answer: RemoteAnswer; changes: ChangeListener }>();
  readonly #pulse: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: RemoteDeps, times: FleetTimes) {
    this.#deps = deps;
    this.#times = times;
    deps.bus.listen({
      onRecord: (_from, record) => this.#take(record),
      onGap: () => this.#doubtAll(),
    });
    this.#pulse = setInterval(() => this.#acknowledgeAll(), times.pulseMs).unref();
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
      if (changes.take().includes(id)) this.#lookNow(id);
    });
    this.#followed.set(id, { answer, changes });
    this.#lookNow(id);
    return answer;
  }

  /** Waits until an answer of another server has ended, but not for longer than this. */
  async untilEnded(message: Message, patienceMs: number): Promise<void> {
    const answer = this.follow(message);
    const end = { text: Number.POSITIVE_INFINITY, reasoning: Number.POSITIVE_INFINITY };
    const cursor = answer.read(end, () => {});
    await Promise.race([answer.ended, sleep(patienceMs, undefined, { ref: false })]);
    cursor.close();
  }

  /** Stops following. Readers are sent nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pulse);
    await this.#looking;
    for (const id of this.#followed.keys()) this.#forget(id);
  }

  // What the writers send.

  #take(record: BusRecord): void {
    switch (record[0]) {
      case 'frame':
        this.#takeFrame(record[1], record[2] === 'T' ? 'TEXT' : 'REASONING', record[3], record[4]);
        break;
      case 'retrying': {
        const [, answerId, attempt, retryAt, code, provider, apiKeyId = null, isOtherKey = false] = record;
        const event = { attempt, retryAt: new Date(retryAt), code, provider, apiKeyId, isOtherKey };
        this.#heard(answerId)?.retry(event);
        break;
      }
      case 'beat':
        for (const [answerId, text, reasoning] of record[1]) this.#takeBeat(answerId, text, reasoning);
        break;
      case 'ended':
        this.#lookNow(record[1]);
        break;
      default:
    }
  }

  #heard(answerId: string): RemoteAnswer | undefined {
    const answer = this.get(answerId);
    answer?.heard();
    return answer;
  }

  #takeFrame(answerId: string, part: AnswerPart, offset: number, text: string): void {
    const answer = this.#heard(answerId);
    if (answer === undefined) return;
    if (!answer.add({ part, offset, text })) answer.ask(this.#deps.bus);
    else if (answer.hasMuchUnacknowledged) this.#acknowledge([answer]);
  }

  /** A beat comes after the pieces that it counts, so a piece that is not here by then was lost. */
  #takeBeat(answerId: string, text: number, reasoning: number): void {
    const answer = this.#heard(answerId);
    if (answer === undefined) return;
    if (answer.lengthOf('TEXT') < text || answer.lengthOf('REASONING') < reasoning)
      answer.ask(this.#deps.bus);
  }

  #doubtAll(): void {
    for (const { answer } of this.#followed.values()) answer.doubt();
    // Not all servers at the same moment: they find a gap together.
    this.#lookIn(Math.random() * this.#times.pulseMs);
  }

  #acknowledgeAll(): void {
    const answers = [...this.#followed.values()].map(({ answer }) => answer);
    for (const ofWriter of Map.groupBy(answers, ({ writerId }) => writerId).values())
      this.#acknowledge(ofWriter);
  }

  /** All of the same writer. */
  #acknowledge(answers: readonly RemoteAnswer[]): void {
    const writerId = answers[0]?.writerId ?? null;
    if (writerId !== null)
      this.#deps.bus.send(writerId, ['ack', answers.map((answer) => answer.acknowledge())]);
  }

  // What the database has.

  #lookNow(answerId: string): void {
    const answer = this.get(answerId);
    if (answer === undefined) return;
    answer.lookedAtMs = Number.NEGATIVE_INFINITY;
    this.#lookIn(0);
  }

  #lookIn(delayMs: number): void {
    // A look that is under way plans the next one when it ends.
    if (this.#isClosed || this.#looking !== undefined) return;
    if (this.#timer !== undefined && delayMs > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
        if (this.#followed.size > 0) this.#lookIn(this.#isAnyDueNow() ? 0 : this.#times.beatMs);
      });
    }, delayMs);
  }

  /** Whether something asked for a look while one was under way. */
  #isAnyDueNow(): boolean {
    return this.#followed.values().some(({ answer }) => answer.lookedAtMs === Number.NEGATIVE_INFINITY);
  }

  #isDue({ silentMs, lookedAtMs }: RemoteAnswer): boolean {
    const isCarried = this.#deps.bus.isUp && silentMs < 3 * this.#times.pulseMs;
    return !isCarried || performance.now() - lookedAtMs >= this.#times.lookForChangesMs;
  }

  async #look(): Promise<void> {
    for (const [id, { answer }] of this.#followed) if (answer.isLeft(LINGER_MS)) this.#forget(id);
    const followed = [...this.#followed.values()].map(({ answer }) => answer);
    const due = followed.filter((answer) => this.#isDue(answer));
    if (due.length === 0) return;
    const lookedAtMs = performance.now();
    for (const answer of due) answer.lookedAtMs = lookedAtMs;
    try {
      const progress = await readProgress(this.#deps.db, due);
      const ended: string[] = [];
      for (const answer of due) {
        const found = progress.get(answer.id);
        if (!found?.isWriting) {
          ended.push(answer.id);
          continue;
        }
        for (const piece of found.pieces) answer.addChunk(piece);
        answer.writerId = found.writerId;
        if (this.#deps.bus.isUp && this.#isDue(answer)) answer.ask(this.#deps.bus);
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
      const [answer, message] = [this.get(id), saved.get(id)];
      if (message !== undefined) answer?.addRest(message);
      answer?.publishEnd(message ?? null);
      this.#forget(id);
    }
  }

  #forget(answerId: string): void {
    const followed = this.#followed.get(answerId);
    if (followed === undefined) return;
    followed.changes.close();
    this.#followed.delete(answerId);
    const { writerId } = followed.answer;
    if (writerId !== null) this.#deps.bus.send(writerId, ['leave', answerId]);
  }
}

const LINGER_MS = 5_000; // a page that is reloaded follows again
