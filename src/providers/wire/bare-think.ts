import { mayThinkInTags } from './think-tags.ts';

/** Text and reasoning of an answer, after reasoning in the text was moved to the reasoning. */
export function separateReasoning(
  provider: string | null,
  { text, reasoning }: { text: string; reasoning: string },
): { text: string; reasoning: string } {
  const split = mayThinkInTags(provider) ? splitBareReasoning(text) : null;
  if (split === null) return { text, reasoning };
  return { text: split.text, reasoning: [reasoning, split.reasoning].filter(Boolean).join('\n\n') };
}

/**
 * Separates reasoning that has a closing tag and no opening one: some chat templates write `<think>` into the prompt, so the
 * model's own text begins within it. The text before the last bare closing tag is reasoning, as in the models' own templates.
 * Null if there is none: a tag in code, in a pair, in quotes or in the middle of a sentence belongs to an answer about such
 * tags. The returned text is always a suffix of the given one.
 */
function splitBareReasoning(text: string): { reasoning: string; text: string } | null {
  if (!CLOSING.test(text)) return null;
  let lineStart = 0;
  let fence: string | null = null;
  let isPairOpen = false;
  let last: { start: number; end: number } | null = null;
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(```|~~~)/.exec(line)?.[1] ?? null;
    if (mark !== null && (fence === null || fence === mark)) fence = fence === null ? mark : null;
    else if (fence === null) {
      for (const { tag, index } of tagsIn(line)) {
        const isClosing = CLOSING.test(tag);
        if (isClosing && !isPairOpen && !isProse(line, index, index + tag.length))
          last = { start: lineStart + index, end: lineStart + index + tag.length };
        isPairOpen = !isClosing;
      }
    }
    lineStart += line.length + 1;
  }
  return last && { reasoning: text.slice(0, last.start).trim(), text: text.slice(last.end).trimStart() };
}

const TAGS = /<\/?(?:think|thinking|thought|reasoning|seed:think)>|\[\/?THINK\]|◁\/?think▷/g;
const CLOSING = /<\/(?:think|thinking|thought|reasoning|seed:think)>|\[\/THINK\]|◁\/think▷/;

/** The tags of a line that are not in code. */
function tagsIn(line: string): { tag: string; index: number }[] {
  let isCode = false;
  let from = 0;
  return [...line.matchAll(TAGS)].flatMap(({ 0: tag, index }) => {
    for (const character of line.slice(from, index)) if (character === '`') isCode = !isCode;
    from = index + tag.length;
    return isCode ? [] : [{ tag, index }];
  });
}

/** Whether a sentence mentions a tag: it quotes it, or goes on after it with a punctuation mark or a small letter. */
function isProse(line: string, start: number, end: number): boolean {
  const after = line.slice(end, end + LOOK_AHEAD);
  if (/["'“‘«(*_]/.test(line.charAt(start - 1)) && /^["'”’»)*_]/.test(after)) return true;
  return /^([.,;:!?)]|[ \t]+\p{Ll})/u.test(after) && line.slice(0, start).trim() !== '';
}

const LOOK_AHEAD = 8;
