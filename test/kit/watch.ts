import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyDelta,
  type EndedMessage,
  type Event,
  type Follower,
  follow,
  type Held,
  isEnd,
} from './answer.ts';
import { nodesOf, type Page } from './page.ts';
import type { Person } from './person.ts';

/** One client's view of one answer, from the first event to the end. */
export interface Watch {
  answerId: string;
  /** Who watches, for the message of a test that fails. */
  title: string;
  /** What it holds by deltas and snapshots. */
  held: Held;
  /** The answer as its end was sent, or as it was read after a connection that broke. */
  end: EndedMessage | undefined;
  /** When it had the end, on the monotonic clock. */
  endedAtMs: number;
  /** Deltas that did not fit to what it held. */
  gaps: number;
  /** How often it had to follow again, since its subscription broke. */
  resumed: number;
  /** Why its subscription broke the last time. */
  failure: string;
  /** When it first held more than so much text; infinite if it never did. */
  timeBeyond(length: number): number;
  /** How much text it held at a time. */
  lengthAt(timeMs: number): number;
}

/** Follows one answer to its end. A subscription that breaks is resumed with the lengths of what is held. */
export function watchAnswer(
  client: Follower,
  { answerId, title, stopping }: { answerId: string; title: string; stopping: AbortSignal },
): { watches: Watch[]; ended: Promise<void> } {
  const watch = new Watching(answerId, `${title}, answerEvents`);
  return { watches: [watch], ended: untilEnded([watch], stopping, read) };

  async function read(): Promise<void> {
    const { text, reasoning } = watch.held;
    const offsets = { answerId, offset: text.length, reasoningOffset: reasoning.length };
    for await (const event of follow(client, 'answer-events', offsets)) watch.take(event);
  }
}

/** Follows a thread until these answers have ended. What ended while the subscription was broken is read by a query. */
export function watchThread(
  client: Follower,
  person: Person,
  given: { threadId: string; answerIds: readonly string[]; title: string; stopping: AbortSignal },
): { watches: Watch[]; ended: Promise<void> } {
  const { threadId, answerIds, title, stopping } = given;
  const watches = answerIds.map((id) => new Watching(id, `${title}, threadEvents`));
  return { watches, ended: untilEnded(watches, stopping, read) };

  async function read(): Promise<void> {
    for await (const event of follow(client, 'thread-events', { threadId })) {
      if (event.__typename === 'ThreadSnapshot') await takeSnapshot(event);
      for (const watch of watches) watch.take(event);
      if (watches.every(({ end }) => end !== undefined)) return;
    }
  }

  async function takeSnapshot({ writing }: Event): Promise<void> {
    const gone = watches.filter(
      ({ answerId, end }) => end === undefined && !writing.some(({ id }) => id === answerId),
    );
    const messages = gone.length === 0 ? [] : await readThread(person, threadId);
    for (const watch of gone) {
      const message = messages.find(({ id }) => id === watch.answerId);
      if (message !== undefined && message.status !== 'WRITING') watch.finish(message);
    }
  }
}

/** The newest messages of a thread as a query gives them. */
export async function readThread(person: Person, id: string): Promise<EndedMessage[]> {
  const { messages } = await person.run<{ messages: Page<EndedMessage> }>('thread', { id });
  return nodesOf(messages);
}

class Watching implements Watch {
  readonly answerId: string;
  readonly title: string;
  readonly held: Held = { text: '', reasoning: '' };
  readonly #seen: { atMs: number; length: number }[] = [];
  end: EndedMessage | undefined;
  endedAtMs = Number.POSITIVE_INFINITY;
  gaps = 0;
  resumed = 0;
  failure = 'none';

  constructor(answerId: string, title: string) {
    this.answerId = answerId;
    this.title = title;
  }

  take(event: Event): void {
    if (event.__typename === 'AnswerDelta' && event.answerId === this.answerId) {
      if (applyDelta(this.held, event)) this.#note();
      else this.gaps += 1;
    }
    const found = [...(event.writing ?? []), event.message].find((message) => message?.id === this.answerId);
    if (found !== undefined) {
      Object.assign(this.held, { text: found.text, reasoning: found.reasoning });
      this.#note();
    }
    if (event.message?.id === this.answerId && event.message.status !== 'WRITING') this.finish(event.message);
    if (isEnd(event) && event.answer.id === this.answerId) this.finish(event.answer);
  }

  finish(message: EndedMessage): void {
    this.end ??= message;
    this.endedAtMs = Math.min(this.endedAtMs, performance.now());
  }

  timeBeyond(length: number): number {
    return this.#seen.find((each) => each.length > length)?.atMs ?? Number.POSITIVE_INFINITY;
  }

  lengthAt(timeMs: number): number {
    return this.#seen.findLast(({ atMs }) => atMs <= timeMs)?.length ?? 0;
  }

  #note(): void {
    this.#seen.push({ atMs: performance.now(), length: this.held.text.length });
  }
}

async function untilEnded(
  watches: readonly Watching[],
  stopping: AbortSignal,
  read: () => Promise<void>,
): Promise<void> {
  while (!stopping.aborted) {
    // Its server may be away, and so may the database.
    const failure = await read().then(() => 'it completed', String);
    if (watches.every(({ end }) => end !== undefined)) return;
    for (const watch of watches) Object.assign(watch, { resumed: watch.resumed + 1, failure });
    await sleep(RESUME_AFTER_MS);
  }
}

const RESUME_AFTER_MS = 100; // as a client waits before it connects again
