import type { AnswerErrorCode } from '../answer-error.ts';
import type { StoredAttempt } from '../db/tables/thread.ts';
import { ProviderError } from '../providers/failure/failure.ts';
import type { KeptReasoning } from '../providers/kept-reasoning.ts';
import type { AnswerSink, Citation, FinishReason, TokenUsage } from '../providers/provider.ts';
import { separateReasoning } from '../providers/wire/bare-think.ts';
import { cleanCitation, cleanUsage, placeCitation } from '../providers/wire/clean-facts.ts';
import { type AnswerPart, type Content, FollowedAnswer, type Retrying } from './followed-answer.ts';

/** How an answer ended. `finished`: by the provider or a person; `failed`: for any other reason. */
export type Ending =
  | { type: 'finished'; status: 'COMPLETE'; finishReason: FinishReason; providerFinishReason: string }
  | { type: 'finished'; status: 'STOPPED' }
  | { type: 'failed'; status: 'FAILED' | 'INTERRUPTED'; code: AnswerErrorCode; retryAt: Date | null };

/** An answer that a provider call of this server writes. Only the first `claimEnding` succeeds. */
export class LiveAnswer extends FollowedAnswer implements AnswerSink {
  /** The server that writes it, as its row names it. */
  readonly writerId: string;
  /** On the monotonic clock. */
  readonly startedAtMs = performance.now();
  readonly #provider: string;
  readonly #mayShow: () => boolean;
  /** Aborts the provider call; used by `claimEnding`. */
  readonly abort = new AbortController();
  /** One for each key that was asked, in their order. */
  readonly #attempts: StoredAttempt[] = [];
  #keyLost = new AbortController();
  readonly #citations = new Map<string, Citation>();
  #reasoningBlock: number | undefined;
  #usage: SeenUsage | undefined;
  #kept: string | null = null;
  #isEnding = false;

  /** `mayShow` is whether readers may be sent what is written. */
  constructor(
    answer: { id: string; threadId: string; writerId: string; provider: string },
    mayShow: () => boolean = () => true,
  ) {
    super(answer);
    this.#mayShow = mayShow;
    this.writerId = answer.writerId;
    this.#provider = answer.provider;
  }

  // The keys.

  /** The key that the provider is asked with; null before the first call. */
  get apiKeyId(): string | null {
    return this.#attempts.at(-1)?.apiKeyId ?? null;
  }

  /** Notes that the provider is asked with the key of this attempt from now on. The signal is aborted by `loseKey`. */
  beginAttempt(attempt: StoredAttempt): AbortSignal {
    this.#attempts.push({ ...attempt });
    this.#keyLost = new AbortController();
    return this.#keyLost.signal;
  }

  /** Notes that the key of the last attempt did not write the answer. */
  failAttempt(errorCode: AnswerErrorCode): void {
    const last = this.#attempts.at(-1);
    if (last !== undefined) last.errorCode = errorCode;
  }

  /** Sends readers an event that a call has failed and will be repeated. */
  failCall(event: Omit<Retrying, 'type' | 'answerId' | 'attempt'>): void {
    this.retry({ attempt: (this.retrying?.attempt ?? 0) + 1, ...event });
  }

  /** Ends the call with the present key, which may not be used any more; another key may go on. */
  loseKey(): void {
    this.#keyLost.abort();
  }

  /** The attempts as they are at present. */
  get attempts(): StoredAttempt[] {
    return this.#attempts.map((attempt) => ({ ...attempt }));
  }

  // Written by the provider call.

  text(delta: string): void {
    this.#write('TEXT', delta);
  }

  reasoning(delta: string, block: number): void {
    const isNewBlock = this.#reasoningBlock !== block && this.lengthOf('REASONING') > 0;
    this.#reasoningBlock = block;
    this.#write('REASONING', isNewBlock ? `\n\n${delta}` : delta);
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

  keep(kept: KeptReasoning): void {
    if (this.#isEnding) return;
    const json = JSON.stringify(kept);
    if (json.length <= MAX_KEPT_LENGTH) this.#kept = json;
  }

  // The end.

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Fixes the end in memory. True for the first caller, who must save it and then call `publishEnd`. */
  claimEnding(): boolean {
    if (this.#isEnding) return false;
    this.parts.TEXT.seal();
    this.parts.REASONING.seal();
    this.#isEnding = true;
    this.abort.abort();
    return true;
  }

  // Read by followers and checkpoints.

  override get snapshot(): Content {
    const { text, reasoning } = super.snapshot;
    return this.#content(text, reasoning, 0);
  }

  /** The content so far, as it is saved: reasoning that came without its opening tag is not part of the text. */
  get final(): Content & { usage: SeenUsage | undefined; attempts: StoredAttempt[]; kept: string | null } {
    const said = super.snapshot;
    const { text, reasoning } = separateReasoning(this.#provider, said);
    const content = this.#content(text, reasoning, said.text.length - text.length);
    return { ...content, usage: this.#usage, attempts: this.attempts, kept: this.#kept };
  }

  #content(text: string, reasoning: string, start: number): Content {
    const citations = this.#citations.values().map((each) => placeCitation(each, start, text.length));
    return { text, reasoning, citations: [...citations] };
  }

  /** Text that no checkpoint has saved yet. Call `saved` with the same chunks once they are committed. */
  unsaved(): UnsavedChunk[] {
    const chunks: UnsavedChunk[] = [];
    for (const part of ['TEXT', 'REASONING'] as const) {
      const live = this.parts[part];
      const text = live.from(live.savedLength);
      if (text !== '') chunks.push({ messageId: this.id, part, fromOffset: live.savedLength, text });
    }
    return chunks;
  }

  saved({ part, fromOffset, text }: UnsavedChunk): void {
    this.parts[part].savedLength = fromOffset + text.length;
  }

  override flush(): void {
    if (this.#isEnding || this.#mayShow()) super.flush();
    else setTimeout(() => this.flush(), SHOW_AGAIN_MS).unref();
  }

  #write(part: AnswerPart, delta: string): void {
    if (this.#isEnding) return;
    if (this.lengthOf('TEXT') + this.lengthOf('REASONING') + delta.length > MAX_ANSWER_LENGTH)
      throw new ProviderError('OUTPUT_TOO_LARGE');
    this.append(part, delta);
  }
}

/** Token counts, and whether they cover the whole answer. */
export type SeenUsage = TokenUsage & { isFinal: boolean };

export interface UnsavedChunk {
  messageId: string;
  part: AnswerPart;
  fromOffset: number;
  text: string;
}

const MAX_ANSWER_LENGTH = 8 * 1024 * 1024; // UTF-16 code units of text and reasoning together
// Reasoning of a whole answer takes some hundred KB. Without it the model has to think again, which is no failure.
const MAX_KEPT_LENGTH = 1024 * 1024;
const MAX_CITATIONS = 1_000;
const SHOW_AGAIN_MS = 20;
