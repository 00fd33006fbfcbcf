import type { Attachment } from '../files/attachment.ts';

/** The beginning of a file’s text. */
export interface TextPart {
  text: string;
  /** What of the file it is, e.g. `pages 1–212 of 1,000`; null if it is all. */
  part: string | null;
}

/** Cuts a text that is longer than a model is sent: before a page if it has pages, else after a line where there is one. */
export function cutText(
  text: string,
  maxCharacters: number,
  { kind, pageCount }: Pick<Attachment, 'kind' | 'pageCount'>,
): TextPart {
  if (text.length <= maxCharacters) return { text, part: null };
  const start = text.slice(0, maxCharacters);
  const head = start.isWellFormed() ? start : start.slice(0, -1);
  const page = kind === 'PDF' && pageCount !== null ? lastPageIn(head, pageCount) : null;
  if (page !== null && pageCount !== null) {
    const last = page.number - 1;
    const pages = last === 1 ? 'page 1' : `pages 1–${NUMBER.format(last)}`;
    return { text: head.slice(0, page.at), part: `${pages} of ${NUMBER.format(pageCount)}` };
  }
  const end = head.lastIndexOf('\n') + 1;
  const cut = end === 0 ? head : head.slice(0, end);
  if (kind !== 'TEXT' || end === 0) return { text: cut, part: 'its beginning' };
  return { text: cut, part: `lines 1–${NUMBER.format(cut.split('\n').length - 1)}` };
}

/** The last page whose beginning is in a text, and where. Null if that is the first one. */
function lastPageIn(text: string, pageCount: number): { number: number; at: number } | null {
  const marks = [...text.matchAll(/^\[page (\d+)\]$/gm)].map(({ 1: digits, index }) => ({
    number: Number(digits),
    at: index,
  }));
  // A page may have lines that look like marks.
  const last = marks.findLast(({ number, at }) => at > 0 && number > 1 && number <= pageCount);
  return last ?? null;
}

const NUMBER = new Intl.NumberFormat('en');
