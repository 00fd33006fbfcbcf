import type { DocumentNode } from 'graphql';

/** Documents that were parsed and validated once, by their text. */
export interface DocumentCache {
  get(text: string): DocumentNode | undefined;
  set(text: string, document: DocumentNode): void;
}

/**
 * Remembers the documents that clients send again and again, those used last. Their texts are limited together, in UTF-16
 * code units, because anybody may send documents that nobody sends again, and a parsed one takes a hundred times the room of its text.
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
      // The map is in order of use, so its first is the one to forget.
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
