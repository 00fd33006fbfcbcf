import { type Format, LONGEST_TEXT, type NoteName, type Reply } from '../reply.ts';

/** A text that grows up to a limit. NUL, which PostgreSQL does not store, and unpaired surrogates never get into it. */
export class BoundedText {
  readonly #parts: string[] = [];
  #length = 0;
  #hasWords = false;
  #isFull = false;
  #isCut = false;
  #isClosed = false;

  /** Whether no more fits. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether anything was left out. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Everything so far; null if it is blank. */
  get text(): string | null {
    return this.#hasWords ? this.#parts.join('') : null;
  }

  /** Appends as much as fits, up to the end of a line unless that leaves out more than half. Returns whether all of it did. */
  add(text: string): boolean {
    const room = Math.max(0, LONGEST_TEXT - this.#length);
    if (text.length > room) this.#isFull = true;
    this.#hasWords ||= text.trim() !== '';
    this.#push(text.length > room ? upToLineEnd(text.slice(0, room)) : text);
    return !this.#isFull;
  }

  /** Appends a sentence about what is left out. Once the text is full, the first of them is the last. */
  leaveOut(sentence: string): void {
    this.#isCut = true;
    if (this.#isClosed) return;
    this.#isClosed = this.#isFull || this.#length + sentence.length > LONGEST_TEXT;
    this.#push(`\n[${sentence}]\n`);
  }

  #push(text: string): void {
    const clean = text.replaceAll('\0', '').toWellFormed();
    this.#parts.push(clean);
    this.#length += clean.length;
  }
}

/** The reply for a file of which only the text is read. */
export function textReply(
  format: Format,
  bounded: BoundedText,
  found: { notes?: NoteName[]; pageCount?: number; isEncrypted?: boolean } = {},
): Reply {
  return {
    type: 'ready',
    format,
    width: null,
    height: null,
    pageCount: found.pageCount ?? null,
    isEncrypted: found.isEncrypted ?? false,
    notes: [...(found.notes ?? []), ...(bounded.isCut ? (['PART_LEFT_OUT'] as const) : [])],
    text: bounded.text,
    picture: null,
  };
}

/** A number as a sentence has it: `1,000`. */
export function withCommas(number: number): string {
  return number.toLocaleString('en');
}

/** Without its last line, which is cut; a long line stays as far as whole characters go. */
function upToLineEnd(text: string): string {
  const end = text.lastIndexOf('\n');
  if (end >= text.length / 2) return text.slice(0, end);
  return text.isWellFormed() ? text : text.slice(0, -1);
}
