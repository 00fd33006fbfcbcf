import { createHash } from 'node:crypto';

const MAX_CONVERSATIONS = 1_000;

/** Counts how often the same question was asked. Forgets the oldest questions when there are too many. */
export class TryCounter {
  readonly #tries = new Map<string, number>();

  /** Counts one more try and returns how many there were by now. */
  add(question: string): number {
    const id = createHash('sha256').update(question).digest('base64');
    const tries = (this.#tries.get(id) ?? 0) + 1;
    this.#tries.delete(id);
    this.#tries.set(id, tries);
    for (const oldest of this.#tries.keys()) {
      if (this.#tries.size <= MAX_CONVERSATIONS) break;
      this.#tries.delete(oldest);
    }
    return tries;
  }
}
