import { fileURLToPath } from 'node:url';
import { FileContent } from './file-content.ts';
import { isPictureFormat, pictureFormatOf } from './picture-signature.ts';
import type { ProcessLimits } from './process-watch.ts';
import { type ReaderProgram, runReader } from './reader-process.ts';
import type { ReadingQueue } from './reading-queue.ts';
import { REFUSALS, type RefusalCode, type RefusalName } from './refusals.ts';
import { type Format, NOTES, type ReadyReply } from './reply.ts';

/**
 * Finds out what a file is, by its content, and reads what models and people need of it. Nothing of it is parsed in this process:
 * a child process without rights does that, and whatever the file makes it do ends with it.
 *
 * Throws the signal's reason, what the source throws, and ReadingFailedError if the file can be read later.
 */
export async function readFile(
  deps: ReadingDeps,
  source: FileSource,
  signal: AbortSignal,
): Promise<ReadResult> {
  if (source.sizeBytes === 0) return refused('EMPTY');
  if (source.sizeBytes > LARGEST_FILE_BYTES) return refused('TOO_MANY_BYTES');
  return await deps.readingQueue.run(source.userId, signal, (either) => readInTurn(deps, source, either));
}

export interface ReadingDeps {
  readingQueue: ReadingQueue;
  /** Other limits than those of the server, for tests. */
  readerLimits?: ProcessLimits;
  /** Another program than the server's, for tests. */
  readerProgram?: ReaderProgram;
}

/** A file of unknown origin. */
export interface FileSource {
  /** Its path, or its bytes, of which the first is asked for when it is the file's turn. */
  bytes: string | AsyncIterable<Uint8Array>;
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
      /** Whether it is a PDF that is encrypted, though it opens without a password. */
      isEncrypted: boolean;
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
      code: RefusalCode;
      /** Sentences for the person who uploaded the file: what is wrong with it, and what to do. */
      reason: string;
    };

async function readInTurn(
  { readerLimits = LIMITS, readerProgram }: ReadingDeps,
  { bytes, sizeBytes, fileName }: FileSource,
  signal: AbortSignal,
): Promise<ReadResult> {
  const content = new FileContent(bytes, sizeBytes);
  try {
    const isPicture = pictureFormatOf(await content.start(signal)) !== null;
    const program = readerProgram ?? (isPicture ? PICTURE_PROGRAM : DOCUMENT_PROGRAM);
    const reply = await runReader(program, content, readerLimits, signal);
    return reply.type === 'refused' ? refused(reply.refusal) : ready(reply, fileName);
  } finally {
    content.close();
  }
}

function refused(name: RefusalName): ReadResult {
  return { type: 'refused', ...REFUSALS[name] };
}

function ready(reply: ReadyReply, fileName: string): ReadResult {
  const { format, width, height, pageCount, isEncrypted, notes, text, picture } = reply;
  return {
    type: 'ready',
    kind: kindOf(format),
    mediaType: format === 'text' ? mediaTypeOfText(fileName) : MEDIA_TYPES[format],
    width,
    height,
    pageCount,
    isEncrypted,
    text,
    picture: picture?.bytes ?? null,
    pictureMediaType: picture && MEDIA_TYPES[picture.format],
    note: notes.length === 0 ? null : notes.map((note) => NOTES[note]).join(' '),
  };
}

function kindOf(format: Format): 'IMAGE' | 'PDF' | 'TEXT' | 'DOCUMENT' {
  if (isPictureFormat(format)) return 'IMAGE';
  if (format === 'pdf') return 'PDF';
  return format === 'text' ? 'TEXT' : 'DOCUMENT';
}

/** Texts differ in their names alone. HTML and SVG are plain text as well: no browser shall ever run them. */
function mediaTypeOfText(fileName: string): string {
  const extension = fileName.slice(fileName.lastIndexOf('.') + 1).toLowerCase();
  return TEXT_MEDIA_TYPES.get(extension) ?? 'text/plain';
}

const TEXT_MEDIA_TYPES = new Map([
  ['csv', 'text/csv'],
  ['tsv', 'text/tab-separated-values'],
  ['md', 'text/markdown'],
  ['markdown', 'text/markdown'],
  ['json', 'application/json'],
]);

const MEDIA_TYPES = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  pdf: 'application/pdf',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  odt: 'application/vnd.oasis.opendocument.text',
} as const;

const DOCUMENT_PROGRAM: ReaderProgram = { path: programPath('document'), mayLoadNative: false };
const PICTURE_PROGRAM: ReaderProgram = { path: programPath('picture'), mayLoadNative: true };

function programPath(name: string): string {
  return fileURLToPath(new URL(`./child/${name}-program.ts`, import.meta.url));
}

/** A child process holds the whole file, and what it unpacks to. */
const LARGEST_FILE_BYTES = 128 * 2 ** 20;

const LIMITS: ProcessLimits = {
  memoryBytes: 512 * 2 ** 20,
  cpuMs: 20_000, // twice what a PDF may take before its text is cut
  wallMs: 240_000, // on a busy machine, one second of processor time took 40
};
