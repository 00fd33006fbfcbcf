import { asText } from '../json.ts';
import type { AnswerSink, TokenUsage } from '../provider.ts';

/** Writes what a stream says into a sink and keeps the sink's promises: nothing empty, blocks numbered, no dangerous links. */
export interface AnswerWriter {
  /** UTF-16 code units of text so far. */
  readonly textLength: number;
  /** The same with reasoning. */
  readonly shownLength: number;
  /** Takes a text delta; anything but a non-empty string is left out. */
  text(delta: unknown): void;
  /** Takes a reasoning delta. Another `part` than the last one begins a new block, and so does text in between. */
  reasoning(delta: unknown, part: number): void;
  /** Takes a source; only addresses that a browser may open are passed on. */
  citation(url: unknown, title: unknown, startOffset: number | null, endOffset: number | null): void;
  /** Takes token counts; they are final once the answer has ended, and of a part of it before. */
  usage(usage: TokenUsage, isFinal: boolean): void;
}

/** Creates the writer of one answer. */
export function createAnswerWriter(sink: AnswerSink): AnswerWriter {
  let textLength = 0;
  let reasoningLength = 0;
  let block = -1;
  let openPart: number | null = null;

  return {
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
      // A provider's search may be led to a `javascript:` address, and clients make links of what they get.
      if (typeof url !== 'string' || !/^https?:\/\//i.test(url)) return;
      sink.citation({ url, title: asText(title), startOffset, endOffset });
    },
    usage(usage, isFinal) {
      sink.usage(usage, isFinal);
    },
  };
}
