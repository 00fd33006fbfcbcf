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
