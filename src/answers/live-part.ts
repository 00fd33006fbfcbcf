/**
 * One growing text of an answer. It is kept in blocks, because reading the end of one long string that grows copies the
 * whole string each time: with a reader, a megabyte in small pieces took minutes.
 */
export class LivePart {
  readonly #cleaner = new TextCleaner();
  readonly #blocks: { start: number; text: string }[] = [];
  #tailStart = 0;
  #tail = '';
  /** What was added since `flushed`, which readers who keep up take: it is shorter than the tail, and is not cut out of it. */
  #fresh = '';
  #freshStart = 0;
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

  /** Appends a pending surrogate that can no longer be paired. */
  seal(): void {
    this.#add(this.#cleaner.flush());
  }

  /** Everything from an offset on; empty if the text is not that long. */
  from(offset: number): string {
    if (offset === this.#freshStart) return this.#fresh;
    if (offset >= this.#tailStart) return this.#tail.slice(offset - this.#tailStart);
    const first = this.#blocks.findLastIndex((block) => block.start <= offset);
    const blocks = this.#blocks.slice(first).map((block) => block.text);
    return (blocks.join('') + this.#tail).slice(offset - (this.#blocks[first]?.start ?? 0));
  }

  /** At most so much from an offset on. Never ends in the middle of a surrogate pair. */
  slice(offset: number, most: number): string {
    let from = offset;
    let text = '';
    for (let index = this.#blockAt(offset); text.length < most && from < this.length; index++) {
      const block = this.#blocks[index] ?? { start: this.#tailStart, text: this.#tail };
      text += block.text.slice(from - block.start, from - block.start + most - text.length);
      from = block.start + block.text.length;
    }
    const last = text.charCodeAt(text.length - 1);
    return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text;
  }

  #blockAt(offset: number): number {
    const index = this.#blocks.findLastIndex((block) => block.start <= offset);
    return offset >= this.#tailStart ? this.#blocks.length : Math.max(index, 0);
  }

  /** Marks everything so far as what readers have. */
  flushed(): void {
    this.#fresh = '';
    this.#freshStart = this.length;
  }

  #add(text: string): void {
    this.#tail += text;
    if (this.#fresh.length < BLOCK_LENGTH) this.#fresh += text;
    else this.#freshStart = NOT_KEPT;
    if (this.#tail.length < BLOCK_LENGTH) return;
    this.#blocks.push({ start: this.#tailStart, text: this.#tail });
    this.#tailStart += this.#tail.length;
    this.#tail = '';
  }
}

const BLOCK_LENGTH = 4_096; // what is copied at most for each piece that a reader takes
const NOT_KEPT = -1;

/**
 * Sanitizes the text of a provider piece by piece, to be stored and counted: NUL is dropped (PostgreSQL's text cannot hold
 * it), a lone surrogate becomes U+FFFD. A high surrogate at the end of a piece waits for its pair in the next one.
 * Text is cleaned before it is counted, since an offset that a client was sent must never move.
 */
export class TextCleaner {
  #pending = '';

  /** Returns the text without a pending surrogate; may be empty. */
  clean(piece: string): string {
    if (this.#pending === '' && piece.isWellFormed() && !piece.includes('\0')) return piece;
    const text = (this.#pending + piece).replaceAll('\0', '');
    const last = text.charCodeAt(text.length - 1);
    this.#pending = last >= 0xd800 && last <= 0xdbff ? text.slice(-1) : '';
    return (this.#pending === '' ? text : text.slice(0, -1)).toWellFormed();
  }

  /** Returns the pending surrogate, which can no longer be paired. */
  flush(): string {
    const rest = this.#pending.toWellFormed();
    this.#pending = '';
    return rest;
  }
}
