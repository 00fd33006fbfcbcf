import { z } from 'zod';
import { hasSignature, isPictureFormat } from './picture-signature.ts';
import { REFUSALS, type RefusalName } from './refusals.ts';
import {
  FORMATS,
  LARGEST_HEADER_BYTES,
  LARGEST_PICTURE_BYTES,
  LONGEST_MARK,
  LONGEST_TEXT,
  NOTES,
  type NoteName,
  type ReadyReply,
  type Reply,
} from './reply.ts';

/**
 * Parses what a child process wrote. Null if its size, its shape or its content is not that of a reply: a hostile file may have
 * taken the process over.
 */
export function parseReply(bytes: Buffer): Reply | null {
  try {
    return parse(bytes);
  } catch {
    return null;
  }
}

/** The most that a reply may be, in bytes. A character of text takes up to three. */
export const LARGEST_REPLY_BYTES =
  LARGEST_HEADER_BYTES + 3 * (LONGEST_TEXT + LONGEST_MARK) + LARGEST_PICTURE_BYTES;

function parse(bytes: Buffer): Reply {
  const headerEnd = LENGTH_BYTES + bytes.readUInt32BE(0);
  requireThat(headerEnd <= Math.min(bytes.length, LARGEST_HEADER_BYTES));
  const header = HEADER.parse(JSON.parse(bytes.toString('utf8', LENGTH_BYTES, headerEnd)));
  if (header.type === 'refused') return header;
  const { textBytes, picture, ...rest } = header;
  const textEnd = headerEnd + textBytes;
  requireThat(textEnd + (picture?.lengthBytes ?? 0) === bytes.length);
  const reply = {
    ...rest,
    text: textBytes === 0 ? null : parseText(bytes.subarray(headerEnd, textEnd)),
    picture: picture && { format: picture.format, bytes: new Uint8Array(bytes.subarray(textEnd)) },
  };
  requireThat(isConsistent(reply));
  return reply;
}

const LENGTH_BYTES = 4;

const count = z
  .int()
  .min(1)
  .max(2 ** 31 - 1); // PostgreSQL's `integer`

const HEADER = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('refused'), refusal: z.enum(keysOf<RefusalName>(REFUSALS)) }),
  z.strictObject({
    type: z.literal('ready'),
    format: z.enum(FORMATS),
    width: count.nullable(),
    height: count.nullable(),
    pageCount: count.nullable(),
    isEncrypted: z.boolean(),
    notes: z.array(z.enum(keysOf<NoteName>(NOTES))).max(Object.keys(NOTES).length),
    textBytes: z.int().min(0),
    picture: z
      .strictObject({
        format: z.enum(['png', 'jpeg']),
        lengthBytes: z.int().min(1).max(LARGEST_PICTURE_BYTES),
      })
      .nullable(),
  }),
]);

function keysOf<Key extends string>(table: Record<Key, unknown>): Key[] {
  return Object.keys(table) as Key[];
}

/** Throws if it is not UTF-8, too long, or holds NUL, which PostgreSQL does not store. */
function parseText(bytes: Buffer): string {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  requireThat(text.length <= LONGEST_TEXT + LONGEST_MARK && !text.includes('\0'));
  return text;
}

/** Whether a reply has what its format must have, and nothing else. */
function isConsistent(reply: ReadyReply): boolean {
  const { format, width, height, pageCount, isEncrypted, text, picture } = reply;
  if ((pageCount !== null) !== (format === 'pdf')) return false;
  if (isEncrypted && format !== 'pdf') return false;
  if (!isPictureFormat(format)) return width === null && height === null && picture === null;
  const isWhole = width !== null && height !== null && picture !== null;
  return isWhole && text === null && hasSignature(picture.bytes, picture.format);
}

function requireThat(isValid: boolean): void {
  if (!isValid) throw new Error('The reply of a reader is not valid.');
}
