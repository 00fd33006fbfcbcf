import type { PreparedDocument } from './prepared-document.ts';

/**
 * An LRU cache of prepared documents by their text, shared by all transports. The total length of the texts is limited, in UTF-16
 * code units, because any sender may send documents that are never used again, and a parsed one takes a hundred times the memory
 * of its text.
 */
export class DocumentCache {
  readonly #prepare: (text: string) => PreparedDocument;
  /** In order of use, so the first entry is evicted. */
  readonly #documents = new Map<string, PreparedDocument>();
  #length = 0;

  constructor(prepare: (text: string) => PreparedDocument) {
    this.#prepare = prepare;
  }

  /** The prepared document, from the cache if it is there. Throws what preparing it throws, which is not cached. */
  get(text: string): PreparedDocument {
    const known = this.#documents.get(text);
    const document = known ?? this.#prepare(text);
    if (known !== undefined) this.#documents.delete(text);
    else if (text.length > LONGEST_CACHED) return document;
    else this.#length += text.length;
    this.#documents.set(document.text, document);
    for (const oldest of this.#documents.keys()) {
      if (this.#length <= MAX_LENGTH) break;
      this.#documents.delete(oldest);
      this.#length -= oldest.length;
    }
    return document;
  }
}

const LONGEST_CACHED = 32 * 1024; // no program's document is as long; one with a text written into it may be
/** Of all texts together: those of GraphiQL's tabs and of a hundred clients. They take fifty mebibytes when parsed. */
const MAX_LENGTH = 512 * 1024;
