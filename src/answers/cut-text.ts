import type { Attachment } from '../files/attachment.ts';

/** The beginning of a file’s text. */
export interface TextPart {
  text: string;
  /** What of the file it is, e.g. `pages 1–212 of 1,000`; null if it is all. */
  part: string | null;
}

/**
 * Cuts a text that is longer than a model is sent: before a page if it has pages, else after a line, as long as that keeps at least
 * half of what may be sent; else inside a line, between two characters.
 */
export function cutText(
  text: string,
  maxCharacters: number,
  { kind, pageCount }: Pick<Attachment, 'kind' | 'pageCount'>,
): TextPart {
  if (text.length <= maxCharacters) return { text, part: null };
  const start = text.slice(0, maxCharacters);
  const head = start.isWellFormed() ? start : start.slice(0, -1);
  const least = maxCharacters / 2;
  const page = kind === 'PDF' && pageCount !== null ? lastPageIn(head, pageCount) : null;
  if (page !== null && pageCount !== null && page.at >= least) {
    const last = page.number - 1;
    const pages = last === 1 ? 'page 1' : `pages 1–${NUMBER.format(last)}`;
    return { text: head.slice(0, page.at), part: `${pages} of ${NUMBER.format(pageCount)}` };
  }
  const end = head.lastIndexOf('\n') + 1;
  if (end < least) return { text: head, part: 'its beginning' };
  const cut = head.slice(0, end);
  if (kind !== 'TEXT') return { text: cut, part: 'its beginning' };
  return { text: cut, part: `lines 1–${NUMBER.format(cut.split('\n').length - 1)}` };
}

/** The last page whose beginning is in a text, and where. Null if that is the first one, or no page is known for sure. */
function lastPageIn(text: string, pageCount: number): { number: number; at: number } | null {
  let last: { number: number; at: number } | null = null;
  // A page may have lines that look like marks: only one that goes on where the last one was is taken for a mark.
  for (const { 1: digits, index: at } of text.matchAll(/^\[page (\d+)\]$/gm)) {
    const number = Number(digits);
    const isNext = last === null ? at === 0 : number === last.number + 1;
    if (isNext && number <= pageCount) last = { number, at };
  }
  return last === null || last.at === 0 ? null : last;
}

const NUMBER = new Intl.NumberFormat('en');
