import type { AnswerErrorCode } from '../answer-error.ts';
import { DONE, IDLE, type Pollable, type Polled, polled } from '../pollable.ts';
import { ProviderError } from '../providers/failure/failure.ts';
import type { AnswerSink, Citation, FinishReason, TokenUsage } from '../providers/provider.ts';
import { separateReasoning } from '../providers/wire/bare-think.ts';
import { cleanCitation, cleanUsage, placeCitation } from '../providers/wire/clean-facts.ts';
import type { Message } from '../threads/message.ts';
import { type Flushed, flushClock } from './flush-clock.ts';
import { LivePart } from './live-part.ts';

/** How an answer ended. `finished`: by the provider or a person; `failed`: for any other reason. */
export type Ending =
  | { type: 'finished'; status: 'COMPLETE'; finishReason: FinishReason; providerFinishReason: string }
  | { type: 'finished'; status: 'STOPPED' }
  | { type: 'failed'; status: 'FAILED' | 'INTERRUPTED'; code: AnswerErrorCode; retryAt: Date | null };

/** An event for the readers of an answer. Offsets are UTF-16 code units. */
export type AnswerEvent =
  | { type: 'delta'; answerId: string; part: 'TEXT' | 'REASONING'; offset: number; text: string }
  | {
      type: 'retrying';
      answerId: string;
      attempt: number;
      retryAt: Date;
      code: AnswerErrorCode;
      provider: string;
    }
  | { type: 'ended'; answer: Message };

/** A reader's offsets in an answer. */
export interface AnswerCursor extends Pollable<AnswerEvent> {
  take(): Polled<AnswerEvent>;
}

type Delta = Extract<AnswerEvent, { type: 'delta' }>;

/**
 * An answer while it is written: append-only text that any number of readers follow, each at an offset of its own. A slow
 * reader gets fewer and longer deltas; nothing is kept for it. Only the first `claimEnding` succeeds.
 */
export class LiveAnswer implements AnswerSink, Flushed {
  readonly id: string;
  readonly threadId: string;
  readonly fence: number;
  /** On the monotonic clock. */
  readonly startedAtMs = performance.now();
  readonly #provider: string;
  /** Aborts the provider call; used by `claimEnding`. */
  readonly abort = new AbortController();

  readonly #text = new LivePart();
  readonly #reasoning = new LivePart();
  readonly #wakes = new Set<() => void>();
  /** The last delta of each part that a reader took. Others who read on from there are given the same object. */
  readonly #shared: Partial<Record<Delta['part'], { type: 'event'; event: Delta }>> = {};
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  /** Length of the text since the last flush. */
  #gathered = 0;
  #isFlushAsked = false;
  readonly #citations = new Map<string, Citation>();
  #reasoningBlock: number | undefined;
  #usage: SeenUsage | undefined;
  #retrying: { number: number; event: AnswerEvent } | undefined;
  #isEnding = false;
  #end: { answer: Message | null } | undefined;
  readonly #ended = Promise.withResolvers<Message | null>();
  readonly #delivered = Promise.withResolvers<void>();

  constructor(answer: { id: string; threadId: string; fence: number; provider: string }) {
    this.id = answer.id;
    this.threadId = answer.threadId;
    this.fence = answer.fence;
    this.#provider = answer.provider;
  }

  // Written by the provider call.

  text(delta: string): void {
    this.#append(this.#text, delta);
  }

  reasoning(delta: string, block: number): void {
    const isNewBlock = this.#reasoningBlock !== block && this.#reasoning.length > 0;
    this.#reasoningBlock = block;
    this.#append(this.#reasoning, isNewBlock ? `\n\n${delta}` : delta);
  }

  citation(citation: Citation): void {
    if (this.#isEnding || this.#citations.size >= MAX_CITATIONS) return;
    const clean = cleanCitation(citation);
    if (clean === null) return;
    this.#citations.set(`${clean.startOffset} ${clean.endOffset} ${clean.url}`, clean);
  }

  usage(usage: TokenUsage, isFinal: boolean): void {
    if (!this.#isEnding) this.#usage = { ...cleanUsage(usage), isFinal };
  }

  /** Sends readers an event that the provider call will be retried. */
  retry(attempt: number, retryAt: Date, code: AnswerErrorCode, provider: string): void {
    const event: AnswerEvent = { type: 'retrying', answerId: this.id, attempt, retryAt, code, provider };
    this.#retrying = { number: attempt, event };
    this.#wakeAll();
  }

  get hasOutput(): boolean {
    return this.#text.length > 0 || this.#reasoning.length > 0;
  }

  // The end.

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Fixes the end in memory. True for the first caller, who must save it and then call `publishEnd`. */
  claimEnding(): boolean {
    if (this.#isEnding) return false;
    this.#text.seal();
    this.#reasoning.seal();
    this.#isEnding = true;
    this.abort.abort();
    return true;
  }

  /** Sends every reader the saved answer; null if it was deleted meanwhile. */
  publishEnd(answer: Message | null): void {
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

  // Read by followers and checkpoints.

  /** The content so far, as readers were sent it: its lengths are the offsets to read on from. */
  get snapshot(): Content {
    return this.#content(this.#text.text, this.#reasoning.text, 0);
  }

  /** The content so far, as it is saved: reasoning that came without its opening tag is not part of the text. */
  get final(): Content & { usage: SeenUsage | undefined } {
    const said = { text: this.#text.text, reasoning: this.#reasoning.text };
    const { text, reasoning } = separateReasoning(this.#provider, said);
    return { ...this.#content(text, reasoning, said.text.length - text.length), usage: this.#usage };
  }

  #content(text: string, reasoning: string, start: number): Content {
    const citations = this.#citations.values().map((each) => placeCitation(each, start, text.length));
    return { text, reasoning, citations: [...citations] };
  }

  /**
   * Starts to read from the given offsets; `wake` is called whenever there may be something to take. An offset beyond the
   * text is that of a reader who saw more than was saved before a crash: it waits, and the final message corrects it.
   */
  read(offsets: { text: number; reasoning: number }, wake: () => void): AnswerCursor {
    this.#wakes.add(wake);
    let { text, reasoning } = offsets;
    let seenRetry = 0;
    let hasEnded = false;
    return {
      take: () => {
        if (this.#retrying !== undefined && this.#retrying.number > seenRetry && !this.hasOutput) {
          seenRetry = this.#retrying.number;
          return polled(this.#retrying.event);
        }
        if (reasoning < this.#reasoning.length) {
          const step = this.#deltaFrom('REASONING', this.#reasoning, reasoning);
          reasoning = this.#reasoning.length;
          return step;
        }
        if (text < this.#text.length) {
          const step = this.#deltaFrom('TEXT', this.#text, text);
          text = this.#text.length;
          return step;
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

  #deltaFrom(part: Delta['part'], live: LivePart, offset: number): { type: 'event'; event: Delta } {
    const known = this.#shared[part];
    const isSame = known?.event.offset === offset && offset + known.event.text.length === live.length;
    if (isSame) return known;
    const event: Delta = { type: 'delta', answerId: this.id, part, offset, text: live.from(offset) };
    const step = { type: 'event' as const, event };
    // The memory of a longer text would be kept until the end of the answer.
    if (event.text.length <= MOST_GATHERED) this.#shared[part] = step;
    return step;
  }

  /** Text that no checkpoint has saved yet. Call `saved` with the same chunks once they are committed. */
  unsaved(): UnsavedChunk[] {
    const chunks: UnsavedChunk[] = [];
    for (const [part, live] of [
      ['TEXT', this.#text],
      ['REASONING', this.#reasoning],
    ] as const) {
      const text = live.from(live.savedLength);
      if (text !== '') chunks.push({ messageId: this.id, part, fromOffset: live.savedLength, text });
    }
    return chunks;
  }

  saved(chunk: UnsavedChunk): void {
    const live = chunk.part === 'TEXT' ? this.#text : this.#reasoning;
    live.savedLength = chunk.fromOffset + chunk.text.length;
  }

  #append(part: LivePart, delta: string): void {
    if (this.#isEnding) return;
    if (this.#text.length + this.#reasoning.length + delta.length > MAX_ANSWER_LENGTH)
      throw new ProviderError('OUTPUT_TOO_LARGE');
    if (this.#gathered === 0) part.flushed();
    if (!part.append(delta) || this.#wakes.size === 0) return;
    this.#gathered += delta.length;
    if (!this.#isFlushAsked) {
      this.#isFlushAsked = true;
      flushClock.ask(this, this.#flushedAtMs, this.#wakes.size);
    } else if (this.#gathered >= MOST_GATHERED) flushClock.hasten(this);
  }

  /** Wakes the readers for the text that has gathered. Called by the clock. */
  flush(): void {
    if (!this.#isFlushAsked) return;
    this.#isFlushAsked = false;
    this.#gathered = 0;
    this.#flushedAtMs = performance.now();
    this.#wakeAll();
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

/** Token counts, and whether they cover the whole answer. */
export type SeenUsage = TokenUsage & { isFinal: boolean };

export interface UnsavedChunk {
  messageId: string;
  part: 'TEXT' | 'REASONING';
  fromOffset: number;
  text: string;
}

const MAX_ANSWER_LENGTH = 8 * 1024 * 1024; // UTF-16 code units of text and reasoning together
const MAX_CITATIONS = 1_000;
const MOST_GATHERED = 4_096; // UTF-16 code units of new text; more would not cost less for each
