import { addAbortListener } from 'node:events';
import { failureName, log } from '../../log.ts';
import { ProviderError } from '../failure/failure.ts';
import type { JsonObject } from '../json.ts';

/** The base64 of a file, with a text before it, as a value in a JSON document. It is read and encoded while the document is sent. */
export class Base64Text {
  readonly prefix: string;
  readonly content: FileContent;

  constructor(prefix: string, content: FileContent) {
    this.prefix = prefix;
    this.content = content;
  }
}

/** Bytes that can be read any number of times. */
export interface FileContent {
  sizeBytes: number;
  /** Begins to read the bytes, from their beginning at every call. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A body that is made while it is sent, so that it is never in memory as a whole. */
export interface StreamedBody {
  /** Exactly so many bytes are read. */
  lengthBytes: number;
  /**
   * Reads the body, from its beginning at every call. Whatever it has opened is closed when the reading ends, or is given up by
   * `return()` or the signal. Throws ProviderError FILE_UNREADABLE, or `signal.reason` when aborted.
   */
  read(signal: AbortSignal): AsyncGenerator<Uint8Array>;
}

/** The document as JSON: a text, or a stream of the same bytes if there are files in it. */
export function encodeJson(document: JsonObject): string | StreamedBody {
  if (!holdsFile(document)) return JSON.stringify(document);
  // Nobody can have written this into a conversation before.
  const mark = crypto.randomUUID();
  const files: Base64Text[] = [];
  const json = JSON.stringify(document, (_name, value: unknown) => {
    if (!(value instanceof Base64Text)) return value;
    files.push(value);
    return value.prefix + mark;
  });
  const texts = json.split(mark).map((text) => Buffer.from(text));
  const lengths = [
    ...texts.map(({ length }) => length),
    ...files.map(({ content }) => base64Length(content.sizeBytes)),
  ];
  return {
    lengthBytes: lengths.reduce((total, length) => total + length, 0),
    async *read(signal) {
      for (const [index, text] of texts.entries()) {
        yield text;
        const file = files[index];
        if (file !== undefined) yield* readBase64(file.content, signal);
      }
    },
  };
}

/** Looked for first, since JSON is written much faster without looking at every value. */
function holdsFile(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof Base64Text || Object.values(value).some(holdsFile);
}

function base64Length(lengthBytes: number): number {
  return 4 * Math.ceil(lengthBytes / 3);
}

async function* readBase64(content: FileContent, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // Three bytes are four characters, so those that make no three wait for the next chunk.
  let rest = Buffer.alloc(0);
  for await (const chunk of readContent(content, signal)) {
    const missing = (3 - rest.length) % 3;
    const head = Buffer.concat([rest, chunk.subarray(0, missing)]);
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).subarray(missing);
    if (head.length < 3 && bytes.length === 0) {
      rest = head;
      continue;
    }
    if (head.length > 0) yield base64Of(head);
    const end = bytes.length - (bytes.length % 3);
    for (let start = 0; start < end; start += PIECE_BYTES)
      yield base64Of(bytes.subarray(start, Math.min(start + PIECE_BYTES, end)));
    // A copy, since the source may fill its chunk again.
    rest = Buffer.from(bytes.subarray(end));
  }
  if (rest.length > 0) yield base64Of(rest);
}

function base64Of(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1');
}

/** The bytes of a file, exactly as many as were promised. */
async function* readContent(content: FileContent, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const closing = new AbortController();
  const source = await attempt(signal, () => {
    const opened = content.open(AbortSignal.any([signal, closing.signal]));
    return opened[Symbol.asyncIterator]();
  });
  let leftBytes = content.sizeBytes;
  try {
    for (;;) {
      const chunk = await attempt(signal, () => nextChunk(source, leftBytes, signal));
      if (chunk === null) return;
      leftBytes -= chunk.length;
      yield chunk;
    }
  } finally {
    closing.abort();
    // Not waited for, as it may be at a read that never ends.
    Promise.resolve(source.return?.()).catch(() => {});
  }
}

/** Runs a step of a reading. Its failure is told to the operator alone: it may name a path or a bucket. */
async function attempt<Result>(signal: AbortSignal, step: () => Result | Promise<Result>): Promise<Result> {
  try {
    signal.throwIfAborted();
    return await step();
  } catch (error) {
    signal.throwIfAborted();
    log.error({ failure: failureName(error) }, 'a file could not be read to be sent to a model');
    throw new ProviderError('FILE_UNREADABLE');
  }
}

/** The next bytes; null after the last. */
async function nextChunk(
  source: AsyncIterator<Uint8Array>,
  leftBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  const timer = setTimeout(() => stop(new WrongContentError('STALLED')), READ_MS);
  using _listener = addAbortListener(signal, () => stop(signal.reason));
  try {
    const { done, value } = await Promise.race([source.next(), stopped]);
    const lengthBytes = done ? 0 : value.length;
    if (lengthBytes > leftBytes || (done && leftBytes > 0)) throw new WrongContentError('WRONG_LENGTH');
    return done ? null : value;
  } finally {
    clearTimeout(timer);
  }
}

/** Why the bytes of a file are not those that were promised. */
class WrongContentError extends Error {
  override readonly name = 'WrongContentError';
  readonly code: 'STALLED' | 'WRONG_LENGTH';

  constructor(code: 'STALLED' | 'WRONG_LENGTH') {
    super(code);
    this.code = code;
  }
}

// A multiple of three, whose base64 is 64 KiB: a quarter of a millisecond of work.
const PIECE_BYTES = 49_152;

// A store that has begun to send a file does not pause for long.
const READ_MS = 30_000;
