/**
 * Decides which statements a connection prepares: those whose text is sent a second time. Each length of a list of values is a
 * text of its own, so most texts are sent once only, and PostgreSQL and the driver keep what is prepared until the connection
 * ends. All connections share one of these, so that what one has sent is prepared at once on the others.
 */
export class RepeatedTexts {
  readonly #seen = new Set<string>();
  readonly #repeated = new Set<string>();

  /** Counts one more statement with this text. */
  shouldPrepare(text: string): boolean {
    if (this.#repeated.has(text)) return true;
    if (this.#repeated.size === MOST_PREPARED) return false;
    if (this.#seen.delete(text)) {
      this.#repeated.add(text);
      return true;
    }
    if (this.#seen.size === MOST_REMEMBERED)
      for (const oldest of this.#seen.values().take(1)) this.#seen.delete(oldest);
    this.#seen.add(text);
    return false;
  }
}

const MOST_PREPARED = 500; // more than the program has statements, apart from lists
const MOST_REMEMBERED = 1_000;
