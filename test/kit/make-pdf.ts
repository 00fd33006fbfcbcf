import { createHash } from 'node:crypto';

/** A PDF with one line of text on each page. */
export function makePdf(lines: readonly string[]): Buffer {
  const pages = lines.map((line) => pageOf(`BT /F1 24 Tf 72 700 Td (${line}) Tj ET`));
  return pdfOf(pages.flat(), { pageCount: pages.length });
}

/** A PDF with one page that is drawn by these bytes, which were packed by these filters. */
export function makeFilteredPdf(content: Uint8Array, filters: string): Buffer {
  return pdfOf(pageOf(content, `/Filter[${filters}]`), { pageCount: 1 });
}

/** A PDF without any text, as a scanner makes it. */
export function makeScannedPdf(): Buffer {
  return makeFilteredPdf(Buffer.from('0.5 g 0 0 600 800 re f'), '');
}

/** A PDF that a password is needed for; an empty one opens it by itself, as when only printing is forbidden. */
export function makeEncryptedPdf(line: string, password: string): Buffer {
  // Standard security handler, revision 2 with RC4 of 40 bits (ISO 32000-1, 7.6.3), which every reader knows.
  const id = Buffer.alloc(16, 7);
  const owner = rc4(md5(padded('owner')).subarray(0, 5), padded(password));
  const permissions = Buffer.from([0xfc, 0xff, 0xff, 0xff]);
  const key = md5(padded(password), owner, permissions, id).subarray(0, 5);
  const user = rc4(key, padded(''));
  const contentKey = md5(key, Buffer.from([CONTENT_NUMBER, 0, 0, 0, 0])).subarray(0, 10);
  const content = rc4(contentKey, Buffer.from(`BT /F1 24 Tf 72 700 Td (${line}) Tj ET`));
  const encrypt = `<</Filter/Standard/V 1/R 2/O<${owner.toString('hex')}>/U<${user.toString('hex')}>/P -4>>`;
  const ids = `<${id.toString('hex')}>`;
  return pdfOf(pageOf(content), { pageCount: 1, trailer: `/Encrypt ${encrypt}/ID[${ids}${ids}]` });
}

/** Numbers of the objects that every PDF here has: catalog, page tree, font; then come a page and its content. */
const FIXED = 3;
const CONTENT_NUMBER = FIXED + 2;

function pageOf(content: string | Uint8Array, filter = ''): [page: string, content: Buffer] {
  const bytes = Buffer.from(content as Uint8Array);
  const stream = [`<<${filter}/Length ${bytes.length}>>\nstream\n`, bytes, '\nendstream'];
  return [
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents NEXT 0 R/Resources<</Font<</F1 3 0 R>>>>>>',
    Buffer.concat(stream.map((part) => Buffer.from(part as Uint8Array))),
  ];
}

function pdfOf(
  pages: readonly (string | Buffer)[],
  { pageCount, trailer = '' }: { pageCount: number; trailer?: string },
): Buffer {
  const kids = Array.from({ length: pageCount }, (_, index) => `${FIXED + 1 + 2 * index} 0 R`);
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    `<</Type/Pages/Kids[${kids.join(' ')}]/Count ${pageCount}>>`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
    ...pages,
  ];
  const parts = [Buffer.from('%PDF-1.7\n')];
  let length = 9;
  const offsets = objects.map((object, index) => {
    const number = index + 1;
    const body = typeof object === 'string' ? object.replace('NEXT', String(number + 1)) : object;
    const bytes = [`${number} 0 obj\n`, body, '\nendobj\n'].map((part) => Buffer.from(part as Uint8Array));
    const offset = length;
    for (const part of bytes) {
      parts.push(part);
      length += part.length;
    }
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${offsets.join('')}`;
  const end = `trailer\n<</Size ${size}/Root 1 0 R${trailer}>>\nstartxref\n${length}\n%%EOF\n`;
  return Buffer.concat([...parts, Buffer.from(table + end)]);
}

/** A password with the filling that the standard names, to 32 bytes. */
function padded(password: string): Buffer {
  return Buffer.concat([Buffer.from(password), FILLING]).subarray(0, 32);
}

const FILLING = Buffer.from('28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a', 'hex');

function md5(...parts: Uint8Array[]): Buffer {
  return createHash('md5').update(Buffer.concat(parts)).digest();
}

/** Node's own is switched off. */
function rc4(key: Uint8Array, data: Uint8Array): Buffer {
  const state = Array.from({ length: 256 }, (_, index) => index);
  const swap = (left: number, right: number) => {
    const [first, second] = [state[left] ?? 0, state[right] ?? 0];
    state[left] = second;
    state[right] = first;
  };
  for (let at = 0, other = 0; at < 256; at += 1) {
    other = (other + (state[at] ?? 0) + (key[at % key.length] ?? 0)) % 256;
    swap(at, other);
  }
  let first = 0;
  let second = 0;
  return Buffer.from(data).map((byte) => {
    first = (first + 1) % 256;
    second = (second + (state[first] ?? 0)) % 256;
    swap(first, second);
    return byte ^ (state[((state[first] ?? 0) + (state[second] ?? 0)) % 256] ?? 0);
  }) as Buffer;
}
