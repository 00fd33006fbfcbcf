import type { AnswerWriter } from './answer-writer.ts';
import { asText } from './json.ts';

const OPEN = '<think>';
const CLOSE = '</think>';

// Layout is a few line breaks. What is held back is looked at again with every delta, so there must not be much of it.
const MOST_BLANKS = 1_024;

/** Tells reasoning from text where a model writes both into one stream. */
export interface ThinkTagReader {
  text(delta: unknown): void;
  /** Gives out what was held back because it might have become a tag. */
  end(): void;
}

/**
 * Reads `<think>…</think>` as reasoning if the answer starts with it; anywhere else the tag is text, as in an answer
 * about such tags. Tags may arrive in pieces. Blank space around the reasoning is the model's layout and left out.
 */
export function createThinkTagReader(writer: AnswerWriter): ThinkTagReader {
  let state: 'start' | 'thinking' | 'after' | 'text' = 'start';
  let held = '';

  return {
    text(delta) {
      const text = asText(delta);
      if (text === null) return;
      if (state === 'text') return writer.text(text);
      held += text;
      if (state === 'start') readStart();
      if (state === 'thinking') readThinking();
      if (state === 'after') readAfter();
    },
    end() {
      if (state === 'thinking') writer.reasoning(held, 0);
      if (state === 'start') writer.text(held);
      held = '';
    },
  };

  function readStart(): void {
    const start = held.trimStart();
    if (start.startsWith(OPEN)) {
      state = 'thinking';
      held = start.slice(OPEN.length);
    } else if (!OPEN.startsWith(start) || held.length > MOST_BLANKS) {
      giveText(held);
    }
  }

  function readThinking(): void {
    const close = held.indexOf(CLOSE);
    if (close !== -1) {
      writer.reasoning(held.slice(0, close), 0);
      held = held.slice(close + CLOSE.length);
      state = 'after';
      return;
    }
    const kept = lengthOfTagBegun(held);
    writer.reasoning(held.slice(0, held.length - kept), 0);
    held = held.slice(held.length - kept);
  }

  function readAfter(): void {
    const text = held.trimStart();
    held = '';
    if (text !== '') giveText(text);
  }

  function giveText(text: string): void {
    state = 'text';
    held = '';
    writer.text(text);
  }
}

/** How many characters at the end of the text may be the beginning of a closing tag. */
function lengthOfTagBegun(text: string): number {
  for (let length = Math.min(text.length, CLOSE.length - 1); length > 0; length -= 1) {
    if (text.endsWith(CLOSE.slice(0, length))) return length;
  }
  return 0;
}
