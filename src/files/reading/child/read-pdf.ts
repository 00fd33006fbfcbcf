import { fileURLToPath } from 'node:url';
import { getDocumentProxy, getResolvedPDFJS } from 'unpdf';
import type { Reply } from '../reply.ts';
import { BoundedText, textReply, withCommas } from './bounded-text.ts';
import { Refusal } from './refusal.ts';

// Loads pdf.js, which unpdf would do with the first document.
await getResolvedPDFJS();

/** Reads the text of a PDF page by page, until it is long enough or took too long. A scan has none. */
export async function readPdf(bytes: Uint8Array): Promise<Reply> {
  const document = await open(bytes);
  const pages = document.numPages;
  const bounded = new BoundedText();
  let damaged = 0;
  let number = 0;
  while (number < pages && !bounded.isFull && cpuMs() < LONGEST_READING_MS) {
    number += 1;
    const text = await textOfPage(document, number);
    if (text === null) damaged += 1;
    else if (text.trim() !== '') bounded.add(`[page ${number}]\n${text}\n\n`);
  }
  if (damaged === number) throw new Refusal('DAMAGED');
  const place = `page ${withCommas(number)} of ${withCommas(pages)}`;
  if (bounded.isFull) bounded.leaveOut(`The text is cut here, in ${place}.`);
  else if (number < pages) bounded.leaveOut(`The text is cut here, after ${place}.`);
  if (damaged > 0) bounded.leaveOut(`Pages that could not be read: ${withCommas(damaged)}.`);
  return textReply('pdf', bounded, { pageCount: pages, isEncrypted: await isEncrypted(document) });
}

type Document = Awaited<ReturnType<typeof getDocumentProxy>>;

async function open(bytes: Uint8Array): Promise<Document> {
  try {
    return await getDocumentProxy(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
      // Without these tables, texts with the usual fonts of Chinese, Japanese and Korean come out empty.
      cMapUrl: fileURLToPath(new URL('./cmaps/', import.meta.resolve('pdfjs-dist/package.json'))),
      cMapPacked: true,
      verbosity: 0,
    });
  } catch (error) {
    const isPassword = error instanceof Error && error.name === 'PasswordException';
    throw new Refusal(isPassword ? 'ENCRYPTED' : 'DAMAGED');
  }
}

/** Whether only its owner may do everything with it, e.g. print it. It opens, but providers refuse it. */
async function isEncrypted(document: Document): Promise<boolean> {
  const metadata = await document.getMetadata().catch(() => null); // they may be damaged, which its pages are not
  if (metadata === null) return false;
  const { info } = metadata;
  return 'EncryptFilterName' in info && info.EncryptFilterName !== null;
}

/** Null if the page is damaged; those around it may not be. */
async function textOfPage(document: Document, number: number): Promise<string | null> {
  try {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    page.cleanup();
    return items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
  } catch {
    return null;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Of processor time: 500 full pages take 2 s. It is less than what ends the process, so that a slow PDF is cut instead. */
const LONGEST_READING_MS = 10_000;
