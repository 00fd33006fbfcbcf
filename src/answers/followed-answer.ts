import type { AnswerErrorCode } from '../answer-error.ts';
import { DONE, IDLE, type Pollable, type Polled, polled } from '../pollable.ts';
import type { Citation } from '../providers/provider.ts';
import type { Message } from '../threads/message.ts';
import { type Flushed, flushClock } from './flush-clock.ts';
import { LivePart } from './live-part.ts';

/** One of the two texts of an answer. */
export type AnswerPart = 'TEXT' | 'REASONING';

/** An event for the readers of an answer. Offsets are UTF-16 code units. */
export type AnswerEvent = Delta | Retrying | { type: 'ended'; answer: Message };

interface Delta {
  type: 'delta';
  answerId: string;
  part: AnswerPart;
  offset: number;
  text: string;
}

/** The provider call failed and is repeated at `retryAt`, with the same key or with another one. */
export interface Retrying {
  type: 'retrying';
  answerId: string;
  /** Number of calls that have failed, with all keys. */
  attempt: number;
  retryAt: Date;
  code: AnswerErrorCode;
  provider: string;
  /** The key of the failed call; null from a server that does not say. Only those who manage the key are told about it. */
  apiKeyId: string | null;
  isOtherKey: boolean;
}

/** A reader's offsets in an answer. */
export interface AnswerCursor extends Pollable<AnswerEvent> {
  take(): Polled<AnswerEvent>;
}

/**
 * An answer that is being written, as its readers follow it: append-only text, each reader at an offset of its own. A slow
 * reader gets fewer and longer deltas; nothing is kept for it. The text comes from a provider call of this server
 * (`LiveAnswer`) or from another server (`RemoteAnswer`).
 */
export class FollowedAnswer implements Flushed {
  readonly id: string;
  readonly threadId: string;
  protected readonly parts: Record<AnswerPart, LivePart> = {
    TEXT: new LivePart(),
    REASONING: new LivePart(),
  };
  readonly #wakes = new Set<() => void>();
  /** The last delta of each part that a reader took. Others who read on from there are given the same object. */
  readonly #shared: Partial<Record<AnswerPart, { type: 'event'; event: Delta }>> = {};
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  /** Length of the text since the last flush. */
  #gathered = 0;
  #isFlushAsked = false;
  #retrying: Retrying | undefined;
  #end: { answer: Message | null } | undefined;
  readonly #ended = Promise.withResolvers<Message | null>();
  readonly #delivered = Promise.withResolvers<void>();

  constructor(answer: { id: string; threadId: string }) {
    this.id = answer.id;
    this.threadId = answer.threadId;
  }

  get hasOutput(): boolean {
    return this.lengthOf('TEXT') > 0 || this.lengthOf('REASONING') > 0;
  }

  lengthOf(part: AnswerPart): number {
    return this.parts[part].length;
  }

  /** At most so much of a part from an offset on, whole characters only. */
  slice(part: AnswerPart, offset: number, most: number): string {
    return this.parts[part].slice(offset, most);
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Whether anybody reads it. */
  get hasReaders(): boolean {
    return this.#wakes.size > 0;
  }

  /** The event that the provider call is repeated, while that is the newest news. */
  get retrying(): Retrying | undefined {
    return this.hasOutput ? undefined : this.#retrying;
  }

  /** Sends readers an event that the provider call will be retried. */
  retry(event: Omit<Retrying, 'type' | 'answerId'>): void {
    if (this.#retrying !== undefined && this.#retrying.attempt >= event.attempt) return;
    this.#retrying = { type: 'retrying', answerId: this.id, ...event };
    this.#wakeAll();
  }

  /** Sends every reader the saved answer; null if it was deleted meanwhile. */
  publishEnd(answer: Message | null): void {
    if (this.#end !== undefined) return;
    this.#end = { answer };
    this.#ended.resolve(answer);
    this.#wakeAll();
    this.#resolveIfDelivered();
  }

  /** Resolves with the saved answer once the answer has ended. */
  get ended(): Promise<Message | null> {
    return this.#ended.promise;
  }

  /** Resolves once every reader has taken the end or has left. */
  get delivered(): Promise<void> {
    return this.#delivered.promise;
  }

  /** The content so far, as readers were sent it: its lengths are the offsets to read on from. */
  get snapshot(): Content {
    return { text: this.parts.TEXT.text, reasoning: this.parts.REASONING.text, citations: [] };
  }

  /**
   * Starts to read from the given offsets; `wake` is called whenever there may be something to take. An offset beyond the
   * text is that of a reader who saw more than was saved before a crash: it waits, and the final message corrects it.
   */
  read(offsets: { text: number; reasoning: number }, wake: () => void): AnswerCursor {
    this.#wakes.add(wake);
    const places = { TEXT: offsets.text, REASONING: offsets.reasoning };
    let seenRetry = 0;
    let hasEnded = false;
    return {
      take: () => {
        const { retrying } = this;
        if (retrying !== undefined && retrying.attempt > seenRetry) {
          seenRetry = retrying.attempt;
          return polled(retrying);
        }
        for (const part of READING_ORDER) {
          const offset = places[part];
          const live = this.parts[part];
          if (offset >= live.length) continue;
          places[part] = live.length;
          return this.#deltaFrom(part, live, offset);
        }
        if (this.#end === undefined) return IDLE;
        if (hasEnded || this.#end.answer === null) return DONE;
        hasEnded = true;
        return polled({ type: 'ended', answer: this.#end.answer });
      },
      close: () => {
        this.#wakes.delete(wake);
        this.#resolveIfDelivered();
      },
    };
  }

  /** Wakes the readers for the text that has gathered. Called by the clock. */
  flush(): void {
    if (!this.#isFlushAsked) return;
    this.#isFlushAsked = false;
    this.#gathered = 0;
    this.#flushedAtMs = performance.now();
    this.#wakeAll();
  }

  protected append(part: AnswerPart, text: string): void {
    const live = this.parts[part];
    if (this.#gathered === 0) live.flushed();
    if (!live.append(text) || this.#wakes.size === 0) return;
    this.#gathered += text.length;
    if (!this.#isFlushAsked) {
      this.#isFlushAsked = true;
      flushClock.ask(this, this.#flushedAtMs, this.#wakes.size);
    } else if (this.#gathered >= MOST_GATHERED) flushClock.hasten(this);
  }

  #deltaFrom(part: AnswerPart, live: LivePart, offset: number): { type: 'event'; event: Delta } {
    const known = this.#shared[part];
    const isSame = known?.event.offset === offset && offset + known.event.text.length === live.length;
    if (isSame) return known;
    const event: Delta = { type: 'delta', answerId: this.id, part, offset, text: live.from(offset) };
    const step = { type: 'event' as const, event };
    // The memory of a longer text would be kept until the end of the answer.
    if (event.text.length <= MOST_GATHERED) this.#shared[part] = step;
    return step;
  }

  #resolveIfDelivered(): void {
    if (this.#end !== undefined && this.#wakes.size === 0) this.#delivered.resolve();
  }

  #wakeAll(): void {
    for (const wake of this.#wakes) wake();
  }
}

/** The texts of an answer and its sources. */
export interface Content {
  text: string;
  reasoning: string;
  citations: Citation[];
}

/** A model reasons before it answers. */
const READING_ORDER = ['REASONING', 'TEXT'] as const;

const MOST_GATHERED = 4_096; // UTF-16 code units of new text; more would not cost less for each
