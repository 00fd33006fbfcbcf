import { asText } from '../json.ts';
import type { AnswerWriter } from './answer-writer.ts';

/** Whether this provider's models may write their reasoning into the text; other providers send it separately. */
export function mayThinkInTags(provider: string | null): boolean {
  return provider === 'CUSTOM' || provider === 'NOVITA';
}

/** Tags that models write around their reasoning. All but the first count only if no blank follows. */
const TAGS = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<reasoning>', '</reasoning>'],
  ['<seed:think>', '</seed:think>'],
  ['[THINK]', '[/THINK]'],
  ['◁think▷', '◁/think▷'],
] as const;

// Layout is a few line breaks. Text that is held back is searched again with every delta, so it must stay short.
const MOST_BLANKS = 1_024;

/** Separates reasoning from text where a model writes both into one stream. */
export interface ThinkTagReader {
  text(delta: unknown): void;
  /** Writes the text that was held back as the possible beginning of a tag. */
  end(): void;
}

/**
 * Reads `<think>…</think>`, and the like, as reasoning if the answer starts with it; anywhere else the tag is text, as in an answer
 * about such tags. Tags may arrive in pieces. Blank space around the reasoning is layout and left out.
 */
export function createThinkTagReader(writer: AnswerWriter): ThinkTagReader {
  let state: 'start' | 'thinking' | 'after' | 'text' = 'start';
  let held = '';
  let closing: string = TAGS[0][1];

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
    const tag = TAGS.find(([open]) => start.startsWith(open));
    if (tag === undefined) {
      if (!TAGS.some(([open]) => open.startsWith(start)) || held.length > MOST_BLANKS) giveText(held);
      return;
    }
    const [open, close] = tag;
    const rest = start.slice(open.length);
    // An answer about tags may begin with one.
    if (tag !== TAGS[0] && rest === '') return;
    if (tag !== TAGS[0] && rest.startsWith(' ')) giveText(held);
    else {
      state = 'thinking';
      closing = close;
      held = rest;
    }
  }

  function readThinking(): void {
    const close = held.indexOf(closing);
    if (close !== -1) {
      writer.reasoning(held.slice(0, close), 0);
      held = held.slice(close + closing.length);
      state = 'after';
      return;
    }
    const heldLength = lengthOfTagBegun(held, closing);
    writer.reasoning(held.slice(0, held.length - heldLength), 0);
    held = held.slice(held.length - heldLength);
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
function lengthOfTagBegun(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length -= 1) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}
