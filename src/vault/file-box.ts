import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { lengthPrefixed, SealError } from './seal.ts';

/**
 * Seals bytes as a salt and a sequence of boxes of 64 KiB, as age does (https://c2sp.org/age, "payload"): so a file of any length
 * is sealed and opened in flat memory, and a range of it without what is before. The key of the boxes is derived from the file's
 * key, the salt, the attachment and the part, and the nonce holds the place of a box and whether it is the last one. So a box that
 * is changed, moved, left out or taken from elsewhere does not open, and neither does a file that was cut.
 *
 * With node:crypto instead of libsodium: in WebAssembly the same cipher takes ten times as long.
 */
export async function* sealBytes(
  key: FileKey,
  part: FilePart,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(SALT_BYTES);
  const boxKey = boxKeyOf(key, part, salt);
  yield salt;
  let index = 0;
  let held: Uint8Array = new Uint8Array(0);
  for await (const content of inPieces(source, BOX_BYTES)) {
    if (held.length > 0) yield sealBox(boxKey, index++, false, held);
    held = content;
  }
  yield sealBox(boxKey, index, true, held);
}

/**
 * Opens a range of sealed bytes. Throws SealError `tampered` at the first box that does not open: what came before it was sealed
 * here, but the caller must then treat the whole as damaged.
 */
export async function* openBytes(
  key: FileKey,
  part: FilePart,
  { length, read }: SealedBytes,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  const boxes = boxesIn(openedLength(length));
  if (start === end) return;
  const first = Math.floor(start / BOX_BYTES);
  const last = Math.ceil(end / BOX_BYTES) - 1;
  const salt = await Array.fromAsync(read({ start: 0, end: SALT_BYTES }));
  const boxKey = boxKeyOf(key, part, Buffer.concat(salt));
  const place = { start: placeOf(first), end: Math.min(placeOf(last + 1), length) };
  let index = first;
  for await (const box of inPieces(read(place), BOX_BYTES + TAG_BYTES)) {
    const content = openBox(boxKey, index, index === boxes - 1, box);
    const offset = index * BOX_BYTES;
    yield content.subarray(Math.max(start - offset, 0), end - offset);
    index += 1;
  }
  if (index !== last + 1) throw new SealError('tampered');
}

/** The key of one file, and the attachment that it belongs to. */
export interface FileKey {
  attachmentId: string;
  /** 32 random bytes, used for nothing else. */
  secret: Uint8Array;
}

/** What is kept of an attachment: its own bytes, its text, and the copy of an image that is sent to models. */
export type FilePart = 'file' | 'text' | 'picture';

/** Sealed bytes somewhere. */
export interface SealedBytes {
  length: number;
  read(range: ByteRange): AsyncIterable<Uint8Array>;
}

/** From `start` up to `end`, which is not part of it. */
export interface ByteRange {
  start: number;
  end: number;
}

/** How many bytes so many become when they are sealed. */
export function sealedLength(length: number): number {
  return SALT_BYTES + length + boxesIn(length) * TAG_BYTES;
}

/** How many bytes were sealed into so many. Throws SealError `tampered` for a length that sealed bytes never have. */
export function openedLength(sealed: number): number {
  const boxes = Math.ceil((sealed - SALT_BYTES) / (BOX_BYTES + TAG_BYTES));
  const length = sealed - SALT_BYTES - boxes * TAG_BYTES;
  if (length < 0 || sealedLength(length) !== sealed) throw new SealError('tampered');
  return length;
}

/** Nothing is sealed as one empty box. */
function boxesIn(length: number): number {
  return Math.max(1, Math.ceil(length / BOX_BYTES));
}

function placeOf(index: number): number {
  return SALT_BYTES + index * (BOX_BYTES + TAG_BYTES);
}

function boxKeyOf({ attachmentId, secret }: FileKey, part: FilePart, salt: Uint8Array): Uint8Array {
  const place = lengthPrefixed('latchkey/file/v1', attachmentId, part);
  return new Uint8Array(hkdfSync('sha256', secret, salt, place, 32));
}

function sealBox(boxKey: Uint8Array, index: number, isLast: boolean, content: Uint8Array): Uint8Array {
  const cipher = createCipheriv(CIPHER, boxKey, nonceOf(index, isLast), { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

function openBox(boxKey: Uint8Array, index: number, isLast: boolean, box: Uint8Array): Uint8Array {
  if (box.length < TAG_BYTES) throw new SealError('tampered');
  const decipher = createDecipheriv(CIPHER, boxKey, nonceOf(index, isLast), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(box.subarray(-TAG_BYTES));
  const content = decipher.update(box.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw new SealError('tampered');
  }
  return content;
}

/** No nonce is used twice with a key, since each key seals one sequence of boxes. */
function nonceOf(index: number, isLast: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce.writeUInt8(isLast ? 1 : 0, 11);
  return nonce;
}

/** The same bytes in pieces of one size, the last one shorter. Each piece is a copy. */
async function* inPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  for await (const chunk of source) {
    for (let offset = 0; offset < chunk.length; ) {
      const taken = chunk.subarray(offset, offset + size - filled);
      piece.set(taken, filled);
      filled += taken.length;
      offset += taken.length;
      if (filled < size) continue;
      yield piece;
      piece = Buffer.allocUnsafeSlow(size);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

const CIPHER = 'chacha20-poly1305';
const SALT_BYTES = 32;
const BOX_BYTES = 64 * 1024;
const TAG_BYTES = 16;
