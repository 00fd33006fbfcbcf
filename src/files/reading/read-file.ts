/**
 * Finds out what a file is, by its content, and reads what models and people need of it: text in UTF-8. Everything else is refused.
 * Throws the signal's reason, and what the source throws.
 */
export async function readFile(
  _deps: ReadingDeps,
  { bytes }: FileSource,
  signal: AbortSignal,
): Promise<ReadResult> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  try {
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) return UNSUPPORTED;
    throw error;
  }
  if (text.includes('\0')) return UNSUPPORTED;
  const facts = { width: null, height: null, pageCount: null, picture: null, pictureMediaType: null };
  return { type: 'ready', kind: 'TEXT', mediaType: 'text/plain', ...facts, text, note: null };
}

/** What reading needs of the server. */
export type ReadingDeps = object;

/** A file of unknown origin. */
export interface FileSource {
  bytes: AsyncIterable<Uint8Array>;
  sizeBytes: number;
  /** The name that its uploader gave it. It decides nothing but the media type of a text. */
  fileName: string;
  /** The person whose turn it is to have a file read. */
  userId: string;
}

/** What was found in a file, or why it is not taken. */
export type ReadResult =
  | {
      type: 'ready';
      kind: 'IMAGE' | 'PDF' | 'TEXT' | 'DOCUMENT';
      mediaType: string;
      /** In pixels, as shown: after turning upright. Null for anything but an image. */
      width: number | null;
      height: number | null;
      /** Null for anything but a PDF. */
      pageCount: number | null;
      /** The text in it, with marks of pages, slides or sheets, and of where it was cut. Null if there is none, as in a scan. */
      text: string | null;
      /** The one copy of an image that models are sent: upright, small, and without metadata. Null for anything else. */
      picture: Uint8Array | null;
      pictureMediaType: 'image/png' | 'image/jpeg' | null;
      /** Sentences about what was left out or guessed; null if nothing was. */
      note: string | null;
    }
  | {
      type: 'refused';
      code: 'TOO_LARGE' | 'UNSUPPORTED' | 'ENCRYPTED' | 'DAMAGED' | 'TOO_COMPLEX';
      /** Sentences for the person who uploaded the file: what is wrong with it, and what to do. */
      reason: string;
    };

const UNSUPPORTED: ReadResult = {
  type: 'refused',
  code: 'UNSUPPORTED',
  reason: 'Files of this kind cannot be read here. Upload text in UTF-8.',
};
