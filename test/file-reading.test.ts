import { unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { readFile } from '../src/files/reading/read-file.ts';
import { openQueue, read } from './kit/file-reader.ts';
import { makeDocx, makeOdt, makePptx, makeXlsx, wordParagraph } from './kit/make-office.ts';
import { makePdf, makeScannedPdf } from './kit/make-pdf.ts';

/** What is null for all but some kinds of files. */
const NOTHING_ELSE = {
  type: 'ready',
  width: null,
  height: null,
  pageCount: null,
  isEncrypted: false,
  text: null,
  picture: null,
  pictureMediaType: null,
  note: null,
};

describe('pictures', () => {
  test.each([
    ['png', 'image/png'],
    ['jpeg', 'image/jpeg'],
    ['webp', 'image/png'],
    ['gif', 'image/png'],
  ] as const)('a picture in %s is copied as %s', async (format, pictureMediaType) => {
    const bytes = await picture(60, 40).toFormat(format).toBuffer();
    const result = await read(bytes, 'photo.txt');
    expect(result).toEqual({
      ...NOTHING_ELSE,
      kind: 'IMAGE',
      mediaType: `image/${format}`,
      width: 60,
      height: 40,
      picture: expect.any(Uint8Array),
      pictureMediaType,
    });
    expect(await factsOf(result)).toMatchObject({ width: 60, height: 40 });
  });

  test('a photograph is turned upright and loses its place, its camera and its comments', async () => {
    const exif = {
      IFD0: { Artist: 'CANARY-ARTIST' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '48/1 8/1 13/1' },
    };
    const bytes = await picture(640, 480).withMetadata({ orientation: 6, exif }).jpeg().toBuffer();
    expect(bytes.includes('CANARY-ARTIST')).toBe(true);
    const result = await read(bytes);
    expect(result).toMatchObject({ width: 480, height: 640, pictureMediaType: 'image/jpeg' });
    const facts = await factsOf(result);
    expect(facts).toMatchObject({ width: 480, height: 640 });
    expect([facts.orientation, facts.exif, facts.xmp, facts.icc]).toEqual(Array(4).fill(undefined));
  });

  test('a large picture is copied with 2,000 pixels at most, and keeps its own size as a fact', async () => {
    const result = await read(await picture(3_000, 1_200).jpeg().toBuffer());
    expect(result).toMatchObject({ width: 3_000, height: 1_200 });
    expect(await factsOf(result)).toMatchObject({ width: 2_000, height: 800, format: 'jpeg' });
  });

  test.each(['gif', 'webp'] as const)(
    'of an animated %s the first frame is taken, with a note',
    async (format) => {
      const frames = await Promise.all(['red', 'lime', 'blue'].map((color) => plain(color).png().toBuffer()));
      const bytes = await sharp(frames, { join: { animated: true } })
        .toFormat(format, { delay: 100 })
        .toBuffer();
      const result = await read(bytes);
      expect(result).toMatchObject({
        ...{ width: 20, height: 20, mediaType: `image/${format}`, pictureMediaType: 'image/png' },
        note: 'The picture is animated: only its first frame is read.',
      });
      const { dominant } = await sharp(pictureOf(result)).stats();
      expect(dominant.r).toBeGreaterThan(200);
    },
  );

  test('what is transparent stays so, unless the copy would be too large for providers', async () => {
    const clear = { create: { width: 10, height: 10, channels: 4, background: '#00000000' } } as const;
    expect(await factsOf(await read(await sharp(clear).png().toBuffer()))).toMatchObject({ hasAlpha: true });
    const large = await read(await noise(2_000, 2_000).png().toBuffer());
    expect(large).toMatchObject({ mediaType: 'image/png', pictureMediaType: 'image/jpeg' });
    expect(pictureOf(large).length).toBeLessThan(3.5 * 2 ** 20);
  });
});

describe('PDFs', () => {
  test('the text of a PDF comes page by page', async () => {
    expect(await read(makePdf(['Hello from page one', 'And from page two']), 'a.txt')).toEqual({
      ...NOTHING_ELSE,
      kind: 'PDF',
      mediaType: 'application/pdf',
      pageCount: 2,
      text: '[page 1]\nHello from page one\n\n[page 2]\nAnd from page two\n\n',
    });
  });

  test('a scan has no text, and a page without text no mark', async () => {
    expect(await read(makeScannedPdf())).toMatchObject({ kind: 'PDF', pageCount: 1, text: null });
    expect(await read(makePdf(['', 'Only here']))).toMatchObject({
      pageCount: 2,
      text: '[page 2]\nOnly here\n\n',
    });
  });

  test('a page that is damaged does not take the others with it', async () => {
    const bytes = makePdf(['Whole', 'Lost']).toString('latin1').replace('[4 0 R 6 0 R]', '[4 0 R 9 0 R]');
    expect(await read(Buffer.from(bytes, 'latin1'))).toMatchObject({
      pageCount: 2,
      text: '[page 1]\nWhole\n\n\n[Pages that could not be read: 1.]\n',
      note: 'A part of the text is left out. The text says which.',
    });
  });
});

describe('texts', () => {
  test.each([
    ['notes.md', '# Title\n', 'text/markdown'],
    ['data.CSV', 'a,b\n1,2\n', 'text/csv'],
    ['data.tsv', 'a\tb\n', 'text/tab-separated-values'],
    ['data.json', '{"a":1}', 'application/json'],
    ['main.rs', 'fn main() {}\n', 'text/plain'],
    ['page.html', '<!doctype html><script>alert(1)</script>', 'text/plain'],
    ['picture.svg', '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', 'text/plain'],
    ['photo.png', 'BMI,weight\n', 'text/plain'],
    ['no-extension', 'II*, ID3, MZ, Rar! and %!PS begin files of other kinds', 'text/plain'],
  ])('%s is a text, byte for byte', async (fileName, text, mediaType) => {
    expect(await read(text, fileName)).toEqual({ ...NOTHING_ELSE, kind: 'TEXT', mediaType, text });
  });

  test('a text that is too long is cut at the end of a line, and says so', async () => {
    const line = 'The quick brown fox jumps over the lazy dog.\n';
    const result = await read(line.repeat(50_000));
    expect(result).toMatchObject({
      kind: 'TEXT',
      note: 'A part of the text is left out. The text says which.',
    });
    const text = result.type === 'ready' ? (result.text ?? '') : '';
    const mark = '\n[The text is cut here, after at most 1,000,000 of 2,250,000 characters.]\n';
    expect(text.slice(-mark.length)).toBe(mark);
    expect(text.slice(0, -mark.length)).toBe(line.repeat(22_222).trimEnd());
  });

  test('a text that is too long and has hardly any lines is cut inside of one, between two characters', async () => {
    const packed = `/*! x */\n${'😀'.repeat(600_000)}`;
    const result = await read(packed, 'packed.js');
    const text = result.type === 'ready' ? (result.text ?? '') : '';
    const mark = '\n[The text is cut here, after at most 1,000,000 of 1,200,009 characters.]\n';
    expect(text).toBe(packed.slice(0, 999_999) + mark);
  });

  test('a file may be given by its path', async () => {
    const path = join(tmpdir(), `latchkey-reading-${process.pid}.txt`);
    await writeFile(path, 'from a file');
    try {
      expect(await readPath(path, 11)).toMatchObject({ kind: 'TEXT', text: 'from a file' });
    } finally {
      await unlink(path);
    }
    await expect(readPath(path, 11)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a blank text is none', async () => {
    expect(await read(' \n\t\n')).toMatchObject({ kind: 'TEXT', text: null });
  });
});

describe('documents', () => {
  test('a DOCX is read in order, with headings and tables, and without the names of its authors', async () => {
    const cell = (text: string) => `<w:tc>${wordParagraph(text)}</w:tc>`;
    const row = (...cells: string[]) => `<w:tr>${cells.map(cell).join('')}</w:tr>`;
    const body = [
      wordParagraph('Report', 'Heading1'),
      wordParagraph('Before the table.'),
      `<w:tbl>${row('Name', 'Größe')}${row('漢字', '2')}</w:tbl>`,
      wordParagraph('After it.'),
    ];
    const author = `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>CANARY-AUTHOR</dc:creator></cp:coreProperties>`;
    const bytes = makeDocx(body.join(''), [{ name: 'docProps/core.xml', data: author }]);
    expect(await read(bytes)).toEqual({
      ...NOTHING_ELSE,
      kind: 'DOCUMENT',
      mediaType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      text: '# Report\n\nBefore the table.\n\n| Name | Größe |\n| --- | --- |\n| 漢字 | 2 |\n\nAfter it.',
    });
  });

  test('a PPTX is read slide by slide', async () => {
    expect(await read(makePptx(['First slide', 'Second slide']))).toMatchObject({
      kind: 'DOCUMENT',
      mediaType: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
      text: '[slide 1]\n\nFirst slide\n\n[slide 2]\n\nSecond slide',
    });
  });

  test('an ODT is read as a DOCX is', async () => {
    const body = '<text:h text:outline-level="1">Title</text:h><text:p>A paragraph</text:p>';
    expect(await read(makeOdt(body))).toMatchObject({
      kind: 'DOCUMENT',
      mediaType: 'application/vnd.oasis.opendocument.text',
      text: '# Title\n\nA paragraph',
    });
  });

  test('an XLSX is read sheet by sheet as CSV, with results of formulas and dates in one form', async () => {
    const text = (value: string) => `<c t="inlineStr"><is><t>${value}</t></is></c>`;
    const rows = [
      `<row r="1">${text('Date')}${text('Amount, net')}${text('Sum')}</row>`,
      '<row r="2"><c r="A2" s="1"><v>46340</v></c><c r="B2"><v>12.5</v></c><c r="C2"><f>B2*2</f><v>25</v></c></row>',
      '<row r="4"><c r="C4"><f>SUM(C2)</f></c></row>',
    ];
    const bytes = makeXlsx([
      { name: 'Money', rows: rows.join('') },
      { name: 'Secret', rows: `<row r="1">${text('CANARY')}</row>`, isHidden: true },
      { name: 'Empty', rows: '' },
      { name: 'Wide', rows: '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>' },
    ]);
    expect(await read(bytes)).toEqual({
      ...NOTHING_ELSE,
      kind: 'DOCUMENT',
      mediaType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      text: '[sheet Money]\nDate,"Amount, net",Sum\n2026-11-14,12.5,25\n,,=SUM(C2)\n\n[sheet Wide]\n1\n\n\n[Of sheet Wide, columns after 500 are left out.]\n',
      note: 'Hidden sheets are left out. A part of the text is left out. The text says which.',
    });
  });

  test('of a long sheet the first 10,000 rows are read', async () => {
    const rows = Array.from(
      { length: 10_100 },
      (_, index) => `<row r="${index + 1}"><c><v>${index}</v></c></row>`,
    );
    const result = await read(makeXlsx([{ name: 'Long', rows: rows.join('') }]));
    expect(result).toMatchObject({ note: 'A part of the text is left out. The text says which.' });
    expect(result.type === 'ready' && result.text?.slice(-70)).toContain(
      '\n9999\n\n\n[Of sheet Long, rows after 10,000 are left out.]\n',
    );
  });
});

function picture(width: number, height: number) {
  return noise(width, height).blur(3);
}

function noise(width: number, height: number) {
  const grain = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  return sharp({ create: { width, height, channels: 3, background: 'teal', noise: grain } });
}

function plain(background: string) {
  return sharp({ create: { width: 20, height: 20, channels: 3, background } });
}

function pictureOf(result: Awaited<ReturnType<typeof read>>): Uint8Array {
  if (result.type === 'refused' || result.picture === null) throw new Error('no picture');
  return result.picture;
}

async function factsOf(result: Awaited<ReturnType<typeof read>>) {
  return await sharp(pictureOf(result)).metadata();
}

function readPath(path: string, sizeBytes: number) {
  const source = { bytes: path, sizeBytes, fileName: 'a.txt', userId: 'usr_a' };
  return readFile({ readingQueue: openQueue() }, source, AbortSignal.timeout(60_000));
}
