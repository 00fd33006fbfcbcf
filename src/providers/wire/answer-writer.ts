import { asText, type JsonObject } from '../json.ts';
import type { KeptItem } from '../kept-reasoning.ts';
import type { AnswerSink, TokenUsage } from '../provider.ts';

/** Writes an answer into a sink so that the sink's rules hold: no empty deltas, numbered blocks, no dangerous links. */
export interface AnswerWriter {
  /** UTF-16 code units of text so far. */
  readonly textLength: number;
  /** UTF-16 code units of text and reasoning so far. */
  readonly shownLength: number;
  /** Writes a text delta; anything but a non-empty string is left out. */
  text(delta: unknown): void;
  /** Writes a reasoning delta. Another `part` than the last one begins a new block, and so does text in between. */
  reasoning(delta: unknown, part: number): void;
  /** Writes a source; only http and https URLs are passed on. */
  citation(url: unknown, title: unknown, startOffset: number | null, endOffset: number | null): void;
  /** Writes token counts; they are final once the answer has ended, and before that of a part of it. */
  usage(usage: TokenUsage, isFinal: boolean): void;
  /** Notes state of the model's reasoning at this place of the text; it is passed on once the answer is complete. */
  keep(item: JsonObject): void;
  /** The state noted so far. */
  readonly kept: readonly KeptItem[];
}

/** Creates the writer of one answer. */
export function createAnswerWriter(sink: AnswerSink): AnswerWriter {
  let textLength = 0;
  let reasoningLength = 0;
  let block = -1;
  let openPart: number | null = null;
  const kept: KeptItem[] = [];

  return {
    kept,
    get textLength() {
      return textLength;
    },
    get shownLength() {
      return textLength + reasoningLength;
    },
    text(delta) {
      const text = asText(delta);
      if (text === null) return;
      openPart = null;
      textLength += text.length;
      sink.text(text);
    },
    reasoning(delta, part) {
      const text = asText(delta);
      if (text === null) return;
      if (part !== openPart) {
        openPart = part;
        block += 1;
      }
      reasoningLength += text.length;
      sink.reasoning(text, block);
    },
    citation(url, title, startOffset, endOffset) {
      // A search result may have a `javascript:` URL, and clients make links of it.
      if (typeof url !== 'string' || !/^https?:\/\//i.test(url)) return;
      sink.citation({ url, title: asText(title), startOffset, endOffset });
    },
    usage(usage, isFinal) {
      sink.usage(usage, isFinal);
    },
    keep(item) {
      kept.push({ offset: textLength, item });
    },
  };
}
