import { fileTypeFromBuffer } from 'file-type';
import type { RefusalName } from '../refusals.ts';
import { decodeText } from './decode-text.ts';
import { Refusal } from './refusal.ts';
import { Zip } from './zip.ts';

/** A file whose format is known, with what was read to find it out. */
export type Recognized =
  | { format: 'pdf' }
  | { format: 'docx' | 'pptx' | 'odt' }
  | { format: 'xlsx'; zip: Zip }
  | { format: 'text'; text: string; isGuessed: boolean };

/** Recognizes a file that is no picture by its content. Throws Refusal for everything that is not read. */
export async function recognize(bytes: Uint8Array): Promise<Recognized> {
  const start = latin1(bytes.subarray(0, LOOKED_AT_BYTES));
  if (start.startsWith('%PDF-')) return { format: 'pdf' };
  if (isLatePdf(start, latin1(bytes.subarray(-LOOKED_AT_BYTES)))) throw new Refusal('BYTES_BEFORE_PDF');
  if (start.startsWith('PK\x03\x04')) return recognizePackage(bytes);
  if (start.startsWith('{\\rtf')) throw new Refusal('OTHER_DOCUMENT');
  const decoded = decodeText(bytes);
  if (decoded !== null) return { format: 'text', ...decoded };
  // Asked only of what is no text, since it takes every text that begins with "BM" for a picture.
  const found = await fileTypeFromBuffer(bytes);
  throw new Refusal(found === undefined ? 'UNKNOWN_TYPE' : refusalOf(found.mime, bytes));
}

/** PDF readers accept up to a kilobyte of anything before a PDF: it could be a web page as well, so it is neither. */
function isLatePdf(start: string, end: string): boolean {
  return /^\s*%PDF-\d/m.test(start) && end.includes('%%EOF');
}

function recognizePackage(bytes: Uint8Array): Recognized {
  const zip = new Zip(bytes);
  const contentTypes = zip.textOf('[Content_Types].xml');
  const found = MAIN_PARTS.find(([contentType]) => contentTypes.includes(contentType));
  if (found !== undefined) return found[1] === 'xlsx' ? { format: found[1], zip } : { format: found[1] };
  if (contentTypes !== '') throw new Refusal('OTHER_DOCUMENT');
  const mediaType = zip.textOf('mimetype').trim();
  if (mediaType === 'application/vnd.oasis.opendocument.text') return { format: 'odt' };
  throw new Refusal(mediaType === '' ? 'ARCHIVE' : 'OTHER_DOCUMENT');
}

/** What the main part of a document declares itself to be (ECMA-376, part 2: Open Packaging Conventions). */
const MAIN_PARTS = [
  ['wordprocessingml.document.main+xml', 'docx'],
  ['spreadsheetml.sheet.main+xml', 'xlsx'],
  ['presentationml.presentation.main+xml', 'pptx'],
] as const;

function refusalOf(mediaType: string, bytes: Uint8Array): RefusalName {
  if (mediaType === 'application/x-cfb') return isEncryptedOffice(bytes) ? 'ENCRYPTED' : 'OTHER_DOCUMENT';
  if (mediaType.startsWith('image/')) return 'OTHER_PICTURE';
  if (mediaType.startsWith('audio/') || mediaType.startsWith('video/')) return 'SOUND_OR_VIDEO';
  return ARCHIVES.has(mediaType) ? 'ARCHIVE' : 'UNKNOWN_TYPE';
}

/** A document with a password is packed into the container that Office used before 2007, in a stream of this name. */
function isEncryptedOffice(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(
    'EncryptedPackage',
    0,
    'utf16le',
  );
}

const ARCHIVES = new Set([
  'application/gzip',
  'application/x-7z-compressed',
  'application/x-bzip2',
  'application/x-rar-compressed',
  'application/x-tar',
  'application/x-xz',
  'application/zip',
  'application/zstd',
]);

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Readers of PDFs look for the header in the first kilobyte and for the end in the last. */
const LOOKED_AT_BYTES = 1_024;
