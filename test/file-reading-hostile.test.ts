import { deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { REFUSALS, type RefusalName } from '../src/files/reading/refusals.ts';
import { read, readers } from './kit/file-reader.ts';
import { makeDocx, makeEncryptedOffice, makeXlsx, wordParagraph, wordXml } from './kit/make-office.ts';
import { makeEncryptedPdf, makeFilteredPdf, makePdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';
import { makeZip } from './kit/make-zip.ts';

const MB = 2 ** 20;

describe('what is not read', () => {
  const jpeg = sharp({ create: { width: 300, height: 300, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const files: [title: string, bytes: Uint8Array | string | Promise<Uint8Array>, refusal: RefusalName][] = [
    ['an empty file', '', 'EMPTY'],
    ['a program', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(600)]), 'UNKNOWN_TYPE'],
    ['an archive', makeZip([{ name: 'hello.txt', data: 'only an archive' }]), 'ARCHIVE'],
    ['a packed file', gzipSync('hello'), 'ARCHIVE'],
    ['a picture for cameras', Buffer.from('49492a00080000000000', 'hex'), 'OTHER_PICTURE'],
    ['a picture of a phone', Buffer.from('00000018667479706865696300000000', 'hex'), 'OTHER_PICTURE'],
    ['a sound', Buffer.from('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0'), 'SOUND_OR_VIDEO'],
    ['an RTF document', '{\\rtf1\\ansi Hello}', 'OTHER_DOCUMENT'],
    ['a PDF with a password', makeEncryptedPdf('Hello', 'secret'), 'ENCRYPTED'],
    ['an Office document with a password', makeEncryptedOffice(), 'ENCRYPTED'],
    ['an encrypted archive', makeZip([{ name: 'a', data: 'a', isEncrypted: true }]), 'ENCRYPTED'],
    ['half a PDF', makePdf(['Hello']).subarray(0, 300), 'DAMAGED'],
    ['half a DOCX', makeDocx(wordParagraph('Hello')).subarray(0, 600), 'DAMAGED'],
    ['half a JPEG', jpeg.then((bytes) => bytes.subarray(0, bytes.length / 2)), 'DAMAGED'],
    ['half a PNG', makePng(100, 100).subarray(0, -40), 'DAMAGED'],
    ['a picture of no size', makePng(0, 0), 'DAMAGED'],
    ['a page that is a PDF as well', `<script></script>\n${makePdf(['Hello'])}`, 'BYTES_BEFORE_PDF'],
    ['a PDF after blanks', `${' '.repeat(900)}${makePdf(['Hello'])}`, 'BYTES_BEFORE_PDF'],
  ];

  test.each(files)('%s is refused', async (_title, bytes, refusal) => {
    expect(await read(await bytes, 'harmless.txt')).toEqual({ type: 'refused', ...REFUSALS[refusal] });
  });

  test('a file that is larger than any reader may hold is refused unread', async () => {
    let isTouched = false;
    async function* bytes() {
      isTouched = true;
      yield Buffer.alloc(1);
    }
    const result = await read(bytes(), 'a.txt', { sizeBytes: 128 * MB + 1 });
    expect(isTouched).toBe(false);
    expect(result).toEqual({ type: 'refused', ...REFUSALS.TOO_MANY_BYTES });
  });
});

describe('files that unpack to more than they seem', () => {
  const spaces = Buffer.alloc(140 * MB, ' ');
  const paragraphs = wordParagraph('a'.repeat(1_000)).repeat(70_000);

  test('a picture of 400 megapixels is not decoded', async () => {
    const bytes = makePng(20_000, 20_000);
    expect(bytes.length).toBeLessThan(100_000);
    expect(await read(bytes)).toEqual({ type: 'refused', ...REFUSALS.TOO_MANY_PIXELS });
  });

  test('an archive that says that it is too large is not unpacked', async () => {
    const result = await read(makeDocx({ data: spaces }), 'a.docx', { limits: { memoryBytes: 150 * MB } });
    expect(result).toEqual({ type: 'refused', ...REFUSALS.UNPACKS_TOO_LARGE });
  });

  test('an archive that lies about its size is unpacked no further than is allowed', async () => {
    const bytes = makeDocx({ data: wordXml(paragraphs), claimedBytes: 1_000 });
    expect(await read(bytes)).toEqual({ type: 'refused', ...REFUSALS.UNPACKS_TOO_LARGE });
  });

  test('a workbook that lies about its size never gets to its reader', async () => {
    const honest = makeXlsx([{ name: 'One', rows: ' '.repeat(140 * MB) }]);
    const bytes = overwriteClaims(honest);
    const result = await read(bytes, 'a.xlsx', { limits: { memoryBytes: 200 * MB } });
    expect(result).toEqual({ type: 'refused', ...REFUSALS.UNPACKS_TOO_LARGE });
  });

  test('an archive that lists one part a thousand times is counted a thousand times', async () => {
    const bytes = makeZip([{ name: 'word/media/0', data: Buffer.alloc(MB), times: 1_000 }]);
    expect(await read(bytes)).toEqual({ type: 'refused', ...REFUSALS.UNPACKS_TOO_LARGE });
  });

  test('a PDF of some kilobytes that unpacks to a quarter of a gigabyte ends its process alone', async () => {
    const packed = deflateSync(deflateSync(Buffer.alloc(256 * MB, ' ')));
    const bytes = makeFilteredPdf(packed, '/FlateDecode/FlateDecode');
    expect(bytes.length).toBeLessThan(10_000);
    const before = process.memoryUsage().rss;
    const result = await read(bytes, 'a.pdf', { limits: { memoryBytes: 200 * MB } });
    expect(result).toEqual({ type: 'refused', ...REFUSALS.TOO_COMPLEX });
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MB);
    expect(readers()).toEqual([]);
  });
});

describe('files that try something', () => {
  test.each([
    ['entities', '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;">]>', '&b;', 'lol'],
    ['entities that are files', '<!DOCTYPE l [<!ENTITY b SYSTEM "file:///etc/passwd">]>', '&b;', 'root:'],
  ])('%s in a document are not expanded', async (_title, doctype, entity, expanded) => {
    const bytes = makeDocx({
      data: `<?xml version="1.0"?>${doctype}${wordXml(wordParagraph(`before ${entity}`))}`,
    });
    const result = await read(bytes);
    expect(JSON.stringify(result)).not.toContain(expanded);
  });

  test('names in an archive lead nowhere, and links in it are not followed', async () => {
    const relation = `<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="http://127.0.0.1:1/canary" TargetMode="External"/>`;
    const bytes = makeDocx(wordParagraph('fine'), [
      { name: '../../../../../../tmp/latchkey-escaped.txt', data: 'escaped' },
      {
        name: 'word/_rels/document.xml.rels',
        data: `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${relation}</Relationships>`,
      },
    ]);
    expect(await read(bytes)).toMatchObject({ kind: 'DOCUMENT', text: 'fine' });
  });

  test('a deep or long JSON is a text like any other', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(await read(deep, 'a.json')).toMatchObject({ kind: 'TEXT', text: deep });
  });

  test('a picture that is an archive as well is copied as a picture alone', async () => {
    const archive = makeZip([{ name: 'word/document.xml', data: 'CANARY' }]);
    const result = await read(Buffer.concat([makePng(10, 10), archive]));
    expect(result).toMatchObject({ kind: 'IMAGE', width: 10 });
    expect(result.type === 'ready' && Buffer.from(result.picture ?? []).includes('PK')).toBe(false);
  });

  test('a GIF that is a page as well is copied as a picture alone', async () => {
    const gif = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
      .gif()
      .toBuffer();
    const result = await read(Buffer.concat([gif, Buffer.from('<script>alert(1)</script>')]), 'a.html');
    expect(result).toMatchObject({ kind: 'IMAGE', mediaType: 'image/gif' });
    expect(result.type === 'ready' && Buffer.from(result.picture ?? []).includes('script')).toBe(false);
  });

  test('a PDF that only forbids copying is read, and known to be encrypted', async () => {
    expect(await read(makeEncryptedPdf('Hello from page one', ''))).toMatchObject({
      isEncrypted: true,
      text: '[page 1]\nHello from page one\n\n',
    });
  });

  test('letters that turn the direction of code stay as they are', async () => {
    const text = 'const isAdmin = false;\n/*\u202e } \u2066if (isAdmin)\u2069 \u2066 begin admins only */\n';
    expect(await read(text, 'a.ts')).toMatchObject({ kind: 'TEXT', text });
  });
});

/** Sets every unpacked size in the directory of an archive to a hundred bytes. */
function overwriteClaims(archive: Buffer): Buffer {
  const bytes = Buffer.from(archive);
  for (let at = bytes.indexOf('PK\x01\x02'); at !== -1; at = bytes.indexOf('PK\x01\x02', at + 4)) {
    bytes.writeUInt32LE(100, at + 24);
  }
  return bytes;
}
