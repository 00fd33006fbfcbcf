import { type OfficeContentNode, OfficeErrorType, type OfficeParserAST, parseOffice } from 'officeparser';
import type { RefusalName } from '../refusals.ts';
import { LONGEST_TEXT, type Reply } from '../reply.ts';
import { BoundedText, textReply, withCommas } from './bounded-text.ts';
import { Refusal } from './refusal.ts';

/** Reads a text document or a presentation as Markdown, in reading order, with tables and notes. */
export async function readOffice(bytes: Uint8Array, format: 'docx' | 'pptx' | 'odt'): Promise<Reply> {
  let isPartial = false;
  const document = await parse(bytes, format, () => {
    isPartial = true;
  });
  const text = await toMarkdown(document);
  const bounded = new BoundedText();
  if (!bounded.add(text)) {
    const [most, all] = [LONGEST_TEXT, text.length].map(withCommas);
    bounded.leaveOut(`The text is cut here, after at most ${most} of ${all} characters.`);
  } else if (isPartial)
    bounded.leaveOut('Parts of this document that repeat or are very large are left out.');
  return textReply(format, bounded);
}

async function parse(bytes: Uint8Array, format: 'docx' | 'pptx' | 'odt', onPartial: () => void) {
  try {
    return await parseOffice(bytes, {
      fileType: format,
      decompressionLimits: LIMITS,
      onWarning: ({ code }) => {
        if (String(code).endsWith('_LIMIT_EXCEEDED')) onPartial();
      },
    });
  } catch (error) {
    throw new Refusal(refusalOf(error));
  }
}

async function toMarkdown(document: OfficeParserAST): Promise<string> {
  document.metadata = {}; // the names of authors, which would stand before the text
  const marks = new Map<OfficeContentNode, string>();
  for (const [index, slide] of document.content.entries()) {
    if (slide.type !== 'slide') continue;
    const mark: OfficeContentNode = { type: 'paragraph' };
    marks.set(mark, `[slide ${index + 1}]\n\n`);
    slide.children = [mark, ...(slide.children ?? [])];
  }
  const { value } = await document.to('md', {
    includeFormatting: false,
    generateIds: false,
    onNode: (node) => marks.get(node),
    mdConfig: { dialect: 'github', fallbackToHtml: false },
  });
  return value.replace(/^---\n+(?=\[slide \d+\]$)/gm, ''); // a rule before each slide
}

function refusalOf(error: unknown): RefusalName {
  const code = error instanceof Error && 'officeIssue' in error ? codeOf(error.officeIssue) : undefined;
  if (code === OfficeErrorType.PASSWORD_REQUIRED) return 'ENCRYPTED';
  if (code === OfficeErrorType.ZIP_SIZE_LIMIT_EXCEEDED) return 'UNPACKS_TOO_LARGE';
  return code !== undefined && TOO_COMPLEX.has(code) ? 'TOO_COMPLEX' : 'DAMAGED';
}

function codeOf(issue: unknown): string | undefined {
  if (typeof issue !== 'object' || issue === null || !('code' in issue)) return undefined;
  return String(issue.code);
}

const TOO_COMPLEX = new Set<string>([
  OfficeErrorType.ZIP_ENTRY_COUNT_LIMIT_EXCEEDED,
  OfficeErrorType.XML_ELEMENT_LIMIT_EXCEEDED,
  OfficeErrorType.MAX_NESTING_DEPTH_EXCEEDED,
  OfficeErrorType.OUTPUT_TOO_LARGE,
]);

/** A tenth or so of the library's own, which take more than 512 MiB of memory. A novel is 2 MB of XML. */
const LIMITS = {
  maxUncompressedBytes: 64 * 2 ** 20,
  maxZipEntries: 5_000,
  maxXmlElements: 1_000_000,
  maxTableCells: 100_000,
  maxRepeatedContent: 4 * 2 ** 20,
};
