import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { asObject, asText, type JsonObject } from './json.ts';

/** A file in the part of a message, in any provider's form, and what its bytes say about it. */
export interface ReceivedFile {
  form: 'image' | 'document';
  name: string;
  /** As it was declared. */
  mediaType: string;
  /** By its first bytes; empty if they are those of no known kind. */
  trueType: string;
  /** What was sent, without the beginning of a data URL. */
  base64Length: number;
  /** False for a link, a file id, or base64 with a mistake. */
  isReadable: boolean;
  /** What was sent in place of the bytes; empty if they were sent. */
  link: string;
  sizeBytes: number;
  /** Pixels; zero if they are not known. */
  width: number;
  height: number;
  /** Of a PDF; zero for others. */
  pages: number;
  isEncrypted: boolean;
  /** The first of its text. */
  words: string;
  sha256: string;
}

/** The file in a part of a message; null for a part without one. Each part is decoded once. */
export function receivedFile(part: JsonObject): ReceivedFile | null {
  const known = decoded.get(part);
  if (known !== undefined) return known;
  const found = findSource(part);
  const file = found && decode(found);
  decoded.set(part, file);
  return file;
}

const decoded = new WeakMap<JsonObject, ReceivedFile | null>();

/** One line about a file: type, name, size, and what is in it. */
export function describeFile(file: ReceivedFile): string {
  const { name, mediaType, width, height, pages, sizeBytes, words, sha256 } = file;
  const facts = [
    [mediaType, name && JSON.stringify(name)].filter(Boolean).join(' '),
    width > 0 ? `${width} × ${height} pixels` : '',
    pages > 0 ? `${pages} ${pages === 1 ? 'page' : 'pages'}` : '',
    `${sizeBytes} bytes`,
    words && `begins “${words}”`,
    `sha256 ${sha256.slice(0, 12)}`,
  ];
  return facts.filter(Boolean).join(', ');
}

/** The first words of a text. */
export function firstWords(text: string): string {
  return text.trim().split(/\s+/).slice(0, WORDS).join(' ').slice(0, WORDS_LENGTH);
}

const WORDS = 6;
const WORDS_LENGTH = 60;

interface Source {
  form: ReceivedFile['form'];
  name: string;
  /** Declared beside the bytes; null where a data URL declares it. */
  mediaType: string | null;
  data: string;
}

/** Where each family has the bytes of a file. */
function findSource(part: JsonObject): Source | null {
  const inline = asObject(part.inlineData) ?? asObject(part.fileData);
  if (inline !== null) {
    const mediaType = asText(inline.mimeType);
    const form = mediaType.startsWith('image/') ? 'image' : 'document';
    return { form, name: '', mediaType, data: asText(inline.data) || asText(inline.fileUri) };
  }
  const source = asObject(part.source);
  const file = asObject(part.file);
  switch (part.type) {
    case 'image':
    case 'document': {
      if (source?.type === 'text') return null;
      const data = asText(source?.data) || asText(source?.url);
      return { form: part.type, name: asText(part.title), mediaType: asText(source?.media_type), data };
    }
    case 'image_url':
    case 'input_image': {
      const data = asText(part.image_url) || asText(asObject(part.image_url)?.url) || asText(part.file_id);
      return { form: 'image', name: '', mediaType: null, data };
    }
    case 'file':
      return document(asText(file?.filename), asText(file?.file_data) || asText(file?.file_id));
    case 'input_file':
      return document(
        asText(part.filename),
        asText(part.file_data) || asText(part.file_url) || asText(part.file_id),
      );
    case 'document_url':
      return document(asText(part.document_name), asText(part.document_url));
    default:
      return null;
  }
}

function document(name: string, data: string): Source {
  return { form: 'document', name, mediaType: null, data };
}

function decode({ form, name, mediaType, data }: Source): ReceivedFile {
  const [beginning = '', inUrl = ''] = (mediaType === null && /^data:([^;,]*);base64,/.exec(data)) || [];
  const isLink = mediaType === null ? beginning === '' : /^(https?|gs):/.test(data);
  const link = isLink ? data || 'nothing' : '';
  const text = isLink ? '' : data.slice(beginning.length);
  const isReadable = text !== '' && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  const bytes = isReadable ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  const trueType = typeOf(bytes);
  const [width, height] = sidesOf(bytes, trueType);
  const isPdf = trueType === 'application/pdf';
  const pdf = isPdf ? bytes.toString('latin1') : '';
  return {
    form,
    name,
    mediaType: mediaType ?? inUrl,
    trueType,
    base64Length: text.length,
    isReadable,
    link,
    sizeBytes: bytes.length,
    width,
    height,
    pages: isPdf ? pagesOf(pdf) : 0,
    isEncrypted: isPdf && /\/Encrypt\b/.test(pdf),
    words: firstWords(isPdf ? wordsOfPdf(pdf) : trueType === ZIP ? wordsOfOffice(bytes) : ''),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

const ZIP = 'application/zip';

/** The first bytes of each kind, in hexadecimal. */
const SIGNATURES: readonly (readonly [type: string, signature: RegExp])[] = [
  ['image/png', /^89504e470d0a1a0a/],
  ['image/jpeg', /^ffd8ff/],
  ['image/gif', /^47494638(37|39)61/],
  ['image/webp', /^52494646.{8}57454250/],
  ['application/pdf', /^255044462d/],
  [ZIP, /^504b0304/],
];

function typeOf(bytes: Buffer): string {
  const start = bytes.toString('hex', 0, 16);
  return SIGNATURES.find(([, signature]) => signature.test(start))?.[0] ?? '';
}

function sidesOf(bytes: Buffer, type: string): [width: number, height: number] {
  if (type === 'image/png' && bytes.length >= 24) return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  if (type === 'image/gif' && bytes.length >= 10) return [bytes.readUInt16LE(6), bytes.readUInt16LE(8)];
  if (type === 'image/jpeg') return sidesOfJpeg(bytes);
  return [0, 0];
}

/** Goes from segment to segment until the one that says how large the image is. */
function sidesOfJpeg(bytes: Buffer): [width: number, height: number] {
  let at = 2;
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return [0, 0];
}

/** Counts the page objects, or believes the page tree where they are packed. */
function pagesOf(pdf: string): number {
  const pages = pdf.match(/\/Type\s*\/Page(?![A-Za-z])/g)?.length ?? 0;
  return pages > 0 ? pages : Number(/\/Count\s+(\d{1,6})/.exec(pdf)?.[1] ?? 0);
}

/** The texts of pages that are not packed. */
function wordsOfPdf(pdf: string): string {
  return [...pdf.matchAll(/\(((?:[^()\\]|\\.){1,200})\)\s*Tj/g)].map(([, text]) => text).join(' ');
}

/** The text of the first part of an Office document that has any, of a directory that says where its entries are. */
function wordsOfOffice(bytes: Buffer): string {
  for (let at = bytes.indexOf(ENTRY); at >= 0 && at + 46 <= bytes.length; at = bytes.indexOf(ENTRY, at + 4)) {
    const name = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (!OFFICE_TEXT.test(name)) continue;
    const start = bytes.readUInt32LE(at + 42);
    const data = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28);
    const packed = bytes.subarray(data, data + bytes.readUInt32LE(at + 20));
    const isPacked = bytes.readUInt16LE(at + 10) === 8;
    const xml = isPacked ? inflateRawSync(packed, { maxOutputLength: MOST_XML_BYTES }) : packed;
    return String(xml).replace(/<[^>]*>/g, ' ');
  }
  return '';
}

const ENTRY = Buffer.from('PK\x01\x02', 'latin1');
const OFFICE_TEXT = /^(word\/document|xl\/sharedStrings|xl\/worksheets\/sheet1|ppt\/slides\/slide1)\.xml$/;
const MOST_XML_BYTES = 8_388_608;
