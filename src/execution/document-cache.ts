import type { DocumentNode } from 'graphql';

/** Parsed and validated documents, by their text. */
export interface DocumentCache {
  get(text: string): DocumentNode | undefined;
  set(text: string, document: DocumentNode): void;
}

/**
 * An LRU cache of documents. The total length of their texts is limited, in UTF-16 code units, because any sender may send
 * documents that are never used again, and a parsed one takes a hundred times the memory of its text.
 */
export function createDocumentCache(): DocumentCache {
  const documents = new Map<string, DocumentNode>();
  let length = 0;

  function forget(text: string): void {
    if (documents.delete(text)) length -= text.length;
  }

  return {
    get(text) {
      const document = documents.get(text);
      if (document === undefined) return undefined;
      // The map is in order of use, so its first entry is evicted.
      documents.delete(text);
      documents.set(text, document);
      return document;
    },
    set(text, document) {
      if (text.length > LONGEST_REMEMBERED) return;
      forget(text);
      documents.set(text, document);
      length += text.length;
      for (const oldest of documents.keys()) {
        if (length <= MAX_LENGTH) break;
        forget(oldest);
      }
    },
  };
}

const LONGEST_REMEMBERED = 32 * 1024; // no program's document is as long; one with a text written into it may be
/** Of all texts together: those of GraphiQL's tabs and of a hundred clients. They take fifty mebibytes when parsed. */
const MAX_LENGTH = 512 * 1024;
