import { makeZip, type ZipEntry } from './make-zip.ts';

/** A text document of Word whose body is this XML, with further entries. */
export function makeDocx(body: string | Partial<ZipEntry>, more: ZipEntry[] = []): Buffer {
  const entry = typeof body === 'string' ? { data: wordXml(body) } : body;
  return makeZip([
    contentTypes('word/document.xml', 'wordprocessingml.document.main+xml'),
    relations('_rels/.rels', 'officeDocument', ['word/document.xml']),
    { name: 'word/document.xml', data: '', ...entry },
    ...more,
  ]);
}

/** `word/document.xml` around a body. */
export function wordXml(body: string): string {
  return `<w:document xmlns:w="${MAIN}/wordprocessingml/2006/main"><w:body>${body}</w:body></w:document>`;
}

/** A paragraph of Word. */
export function wordParagraph(text: string, style?: string): string {
  const properties = style === undefined ? '' : `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`;
  return `<w:p>${properties}<w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`;
}

/** A workbook of sheets, each with the XML of its rows. The cell style 1 is a date. */
export function makeXlsx(sheets: readonly { name: string; rows: string; isHidden?: boolean }[]): Buffer {
  const listed = sheets.map(
    ({ name, isHidden }, index) =>
      `<sheet name="${name}" sheetId="${index + 1}" r:id="rId${index + 1}"${isHidden === true ? ' state="hidden"' : ''}/>`,
  );
  const parts = sheets.map((_, index) => `worksheets/sheet${index + 1}.xml`);
  return makeZip([
    contentTypes('xl/workbook.xml', 'spreadsheetml.sheet.main+xml', [
      ['xl/styles.xml', 'spreadsheetml.styles+xml'],
    ]),
    relations('_rels/.rels', 'officeDocument', ['xl/workbook.xml']),
    {
      name: 'xl/workbook.xml',
      data: `<workbook xmlns="${SHEET}" xmlns:r="${RELATIONS}"><sheets>${listed.join('')}</sheets></workbook>`,
    },
    relations('xl/_rels/workbook.xml.rels', 'worksheet', parts, [['styles', 'styles.xml']]),
    {
      name: 'xl/styles.xml',
      data: `<styleSheet xmlns="${SHEET}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>`,
    },
    ...sheets.map(({ rows }, index) => ({
      name: `xl/worksheets/sheet${index + 1}.xml`,
      data: `<worksheet xmlns="${SHEET}"><sheetData>${rows}</sheetData></worksheet>`,
    })),
  ]);
}

/** A presentation with these texts on its slides. */
export function makePptx(slides: readonly string[]): Buffer {
  const ids = slides.map((_, index) => `<p:sldId id="${256 + index}" r:id="rId${index + 1}"/>`);
  const names = `xmlns:p="${MAIN}/presentationml/2006/main" xmlns:a="${MAIN}/drawingml/2006/main" xmlns:r="${RELATIONS}"`;
  return makeZip([
    contentTypes('ppt/presentation.xml', 'presentationml.presentation.main+xml'),
    relations('_rels/.rels', 'officeDocument', ['ppt/presentation.xml']),
    {
      name: 'ppt/presentation.xml',
      data: `<p:presentation ${names}><p:sldIdLst>${ids.join('')}</p:sldIdLst></p:presentation>`,
    },
    relations(
      'ppt/_rels/presentation.xml.rels',
      'slide',
      slides.map((_, index) => `slides/slide${index + 1}.xml`),
    ),
    ...slides.map((text, index) => ({
      name: `ppt/slides/slide${index + 1}.xml`,
      data: `<p:sld ${names}><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>${text}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>`,
    })),
  ]);
}

/** A text document of LibreOffice. */
export function makeOdt(body: string): Buffer {
  const names = ['office', 'text', 'table'].map(
    (name) => `xmlns:${name}="urn:oasis:names:tc:opendocument:xmlns:${name}:1.0"`,
  );
  return makeZip([
    { name: 'mimetype', data: 'application/vnd.oasis.opendocument.text' },
    {
      name: 'content.xml',
      data: `<office:document-content ${names.join(' ')}><office:body><office:text>${body}</office:text></office:body></office:document-content>`,
    },
  ]);
}

/** The container in which Office keeps a document with a password, as far as it tells what it is. */
export function makeEncryptedOffice(): Buffer {
  const bytes = Buffer.alloc(1_536, 0xff);
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(bytes);
  Buffer.from('EncryptedPackage', 'utf16le').copy(bytes, 1_024);
  return bytes;
}

const MAIN = 'http://schemas.openxmlformats.org';
const SHEET = `${MAIN}/spreadsheetml/2006/main`;
const RELATIONS = `${MAIN}/officeDocument/2006/relationships`;

function contentTypes(
  part: string,
  type: string,
  more: readonly (readonly [part: string, type: string])[] = [],
): ZipEntry {
  const list = [[part, type] as const, ...more].map(
    ([name, kind]) =>
      `<Override PartName="/${name}" ContentType="application/vnd.openxmlformats-officedocument.${kind}"/>`,
  );
  const data = `<Types xmlns="${MAIN}/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/>${list.join('')}</Types>`;
  return { name: '[Content_Types].xml', data };
}

function relations(
  name: string,
  type: string,
  targets: readonly string[],
  more: readonly (readonly [type: string, target: string])[] = [],
): ZipEntry {
  const all = [...targets.map((target) => [type, target] as const), ...more];
  const list = all.map(
    ([kind, target], index) =>
      `<Relationship Id="rId${index + 1}" Type="${RELATIONS}/${kind}" Target="${target}"/>`,
  );
  const data = `<Relationships xmlns="${MAIN}/package/2006/relationships">${list.join('')}</Relationships>`;
  return { name, data };
}
