import { asText } from '../json.ts';
import type { AnswerWriter } from './answer-writer.ts';

/** Whether this provider's models may write their reasoning into the text: those of others tell it apart themselves. */
export function mayThinkInTags(provider: string | null): boolean {
  return provider === 'CUSTOM' || provider === 'NOVITA';
}

/** Tags that models are known to write around their reasoning. Those but the first are taken for it if no blank follows. */
const TAGS = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<reasoning>', '</reasoning>'],
  ['<seed:think>', '</seed:think>'],
  ['[THINK]', '[/THINK]'],
  ['◁think▷', '◁/think▷'],
] as const;

// Layout is a few line breaks. What is held back is looked at again with every delta, so there must not be much of it.
const MOST_BLANKS = 1_024;

/** Tells reasoning from text where a model writes both into one stream. */
export interface ThinkTagReader {
  text(delta: unknown): void;
  /** Gives out what was held back because it might have become a tag. */
  end(): void;
}

/**
 * Reads `<think>…</think>`, and the like, as reasoning if the answer starts with it; anywhere else the tag is text, as in an answer
 * about such tags. Tags may arrive in pieces. Blank space around the reasoning is the model's layout and left out.
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
    // An answer may begin by speaking of a tag.
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
    const kept = lengthOfTagBegun(held, closing);
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
function lengthOfTagBegun(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length -= 1) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}
