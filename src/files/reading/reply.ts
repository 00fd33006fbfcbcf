import type { RefusalName } from './refusals.ts';

/** What a child process found in a file, before the server has checked any of it. */
export type Reply = ReadyReply | { type: 'refused'; refusal: RefusalName };

export interface ReadyReply {
  type: 'ready';
  format: Format;
  /** Pixels, as shown: after turning upright. Null for all but pictures. */
  width: number | null;
  height: number | null;
  /** Null for all but PDFs. */
  pageCount: number | null;
  /** Whether it is a PDF that is encrypted, though it opens without a password. */
  isEncrypted: boolean;
  notes: readonly NoteName[];
  text: string | null;
  picture: { format: 'png' | 'jpeg'; bytes: Uint8Array } | null;
}

export const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'pdf', 'text', 'docx', 'xlsx', 'pptx', 'odt'] as const;

/** A format by its content. Every text is one format, whatever is written in it. */
export type Format = (typeof FORMATS)[number];

/** What a person has to know about how a file was read. */
export const NOTES = {
  FIRST_FRAME: 'The picture is animated: only its first frame is read.',
  ENCODING_GUESSED: 'The encoding of the text was guessed, so some letters may be wrong.',
  HIDDEN_SHEETS: 'Hidden sheets are left out.',
  PART_LEFT_OUT: 'A part of the text is left out. The text says which.',
} as const;

export type NoteName = keyof typeof NOTES;

/** Longest text that is taken from a file, with its marks, in UTF-16 units: about 250,000 tokens. */
export const LONGEST_TEXT = 1_000_000;

/** Room for the mark that says where a text was cut, which comes on top. */
export const LONGEST_MARK = 300;

/**
 * Size of the largest picture for models, in bytes. The strictest provider, Anthropic, takes 5 MiB in base64, which is 3.75 MiB.
 */
export const LARGEST_PICTURE_BYTES = 3.5 * 2 ** 20;

/** Longest side of a picture for models, in pixels. Models scale down what is larger. */
export const LONGEST_PICTURE_SIDE = 2_000;

/** Longest description of a reply, in bytes: `encodeReply` writes less than a fifth of it. */
export const LARGEST_HEADER_BYTES = 2_048;

/**
 * A reply as a child process writes it: the length of the header in four bytes, the header in JSON, the text in UTF-8, the picture.
 */
export function encodeReply(reply: Reply): Buffer {
  if (reply.type === 'refused') return frame(reply, []);
  const { text, picture, ...rest } = reply;
  const textBytes = Buffer.from(text ?? '');
  const pictureBytes = picture?.bytes ?? new Uint8Array();
  const header = {
    ...rest,
    textBytes: textBytes.length,
    picture: picture && { format: picture.format, lengthBytes: pictureBytes.length },
  };
  return frame(header, [textBytes, pictureBytes]);
}

function frame(header: object, parts: Uint8Array[]): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, ...parts]);
}
