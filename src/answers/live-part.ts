/**
 * One growing text of an answer. It is kept in blocks, because reading the end of one long string that grows copies the
 * whole string each time: with a reader, a megabyte in small pieces took minutes.
 */
export class LivePart {
  readonly #cleaner = new TextCleaner();
  readonly #blocks: { start: number; text: string }[] = [];
  #tailStart = 0;
  #tail = '';
  savedLength = 0;

  get length(): number {
    return this.#tailStart + this.#tail.length;
  }

  get text(): string {
    return this.from(0);
  }

  /** Whether anything was added. */
  append(delta: string): boolean {
    const clean = this.#cleaner.clean(delta);
    this.#add(clean);
    return clean !== '';
  }

  /** Adds what was held back and can no longer be paired. */
  seal(): void {
    this.#add(this.#cleaner.flush());
  }

  /** Everything from an offset on; empty if the text is not that long. */
  from(offset: number): string {
    if (offset >= this.#tailStart) return this.#tail.slice(offset - this.#tailStart);
    const first = this.#blocks.findLastIndex((block) => block.start <= offset);
    const blocks = this.#blocks.slice(first).map((block) => block.text);
    return (blocks.join('') + this.#tail).slice(offset - (this.#blocks[first]?.start ?? 0));
  }

  #add(text: string): void {
    this.#tail += text;
    if (this.#tail.length < BLOCK_LENGTH) return;
    this.#blocks.push({ start: this.#tailStart, text: this.#tail });
    this.#tailStart += this.#tail.length;
    this.#tail = '';
  }
}

const BLOCK_LENGTH = 4_096; // what is copied at most for each piece that a reader takes

/**
 * Makes what a provider sends fit to be stored and counted, piece by piece: NUL is dropped (PostgreSQL's text cannot hold
 * it), a lone surrogate becomes U+FFFD. A high surrogate at the end of a piece waits for its pair in the next one.
 * Cleaning comes before counting: an offset told to a client must never move.
 */
export class TextCleaner {
  #held = '';

  /** The part of the text that is certain by now; may be empty. */
  clean(piece: string): string {
    const text = (this.#held + piece).replaceAll('\0', '');
    const last = text.charCodeAt(text.length - 1);
    this.#held = last >= 0xd800 && last <= 0xdbff ? text.slice(-1) : '';
    return (this.#held === '' ? text : text.slice(0, -1)).toWellFormed();
  }

  /** What was held back and can no longer be paired. */
  flush(): string {
    const rest = this.#held.toWellFormed();
    this.#held = '';
    return rest;
  }
}
