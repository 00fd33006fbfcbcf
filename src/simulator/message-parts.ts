import { asObject, asObjects, asText, type JsonObject } from './json.ts';
import type { Turn } from './provider.ts';
import { describeFile, firstWords, type ReceivedFile, receivedFile } from './received-file.ts';
import { splitTokens } from './text.ts';

/** A part of a message, and where it is. */
export interface PlacedPart {
  part: JsonObject;
  /** Of the message and the part, counted from zero. */
  place: readonly [message: number, part: number];
}

/** The parts of all messages whose content is a list. */
export function placedParts(messages: readonly JsonObject[], field = 'content'): PlacedPart[] {
  return messages.flatMap((message, number) =>
    asObjects(message[field]).map((part, index) => ({ part, place: [number, index] as const })),
  );
}

/** The files among parts that are sent with their bytes. */
export function filesIn(parts: readonly PlacedPart[]): (PlacedPart & { file: ReceivedFile })[] {
  return parts.flatMap((each) => {
    const file = receivedFile(each.part);
    return file === null ? [] : [{ ...each, file }];
  });
}

/** What a message says, and the files that came with it: those that are sent with their bytes, and those that are written as text. */
export type Content = Omit<Turn, 'role'>;

/** Reads the content of a message: a text, or a list of parts in any provider's form. */
export function readContent(content: unknown): Content {
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : asObjects(content);
  const read = parts.map(readPart);
  const fileTokens = read.reduce((total, { tokens }) => total + tokens, 0);
  return {
    text: read.map(({ text }) => text).join(''),
    attachments: read.flatMap(({ attachments }) => attachments),
    ...(fileTokens > 0 && { fileTokens }),
  };
}

interface ReadPart {
  text: string;
  attachments: string[];
  /** Of the files. */
  tokens: number;
}

function readPart(part: JsonObject): ReadPart {
  if (SILENT.has(asText(part.type))) return { text: '', attachments: [], tokens: 0 };
  const file = receivedFile(part);
  if (file !== null) {
    const { form, link, pages, width, height } = file;
    const tokens = form === 'image' ? Math.ceil((width * height) / PIXELS_PER_TOKEN) : pages * PAGE_TOKENS;
    return { text: '', attachments: [link === '' ? describeFile(file) : `${form} by link`], tokens };
  }
  const source = asObject(part.source);
  if (source !== null)
    return readTextFile(asText(part.title), asText(source.media_type), asText(source.data));
  if (typeof part.text === 'string') return readText(part.text);
  return { text: '', attachments: [asText(part.type)], tokens: 0 };
}

/** Reasoning is no part of what was said. */
const SILENT = new Set(['thinking', 'redacted_thinking', 'reasoning']);

/** A text, without the files that are written at its beginning. */
function readText(whole: string): ReadPart {
  const attachments: string[] = [];
  let tokens = 0;
  let text = whole;
  for (let found = FILE.exec(text); found !== null; found = FILE.exec(text)) {
    const [element, name = '', type = '', note, body = ''] = found;
    const file = readTextFile(
      unescapeAttribute(name),
      type,
      body.replace(/<\\(?=\\*\/file)/gi, '<'),
      unescapeAttribute(note),
    );
    attachments.push(...file.attachments);
    tokens += file.tokens;
    text = text.slice(element.length);
  }
  return { text, attachments, tokens };
}

const FILE = /^<file name="([^"]*)" type="([^"]*)"(?: note="([^"]*)")?>\n([\s\S]*?)\n<\/file>(?:\n\n)?/;

function readTextFile(name: string, type: string, text: string, note = ''): ReadPart {
  const said = note === '' ? '' : `, ${note}`;
  const line = `text of ${JSON.stringify(name)} (${type})${said}, ${text.length} characters, begins “${firstWords(text)}”`;
  return { text: '', attachments: [line], tokens: splitTokens(text).length };
}

function unescapeAttribute(text = ''): string {
  return text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
}

const PIXELS_PER_TOKEN = 784;
const PAGE_TOKENS = 560;
