import { Base64Text } from '../http/json-body.ts';
import type { FileAsBytes, FileAsText, SentFile } from '../provider.ts';

/**
 * A file as text, for providers that have no part of their own for it. Exactly one such element can be read back for each file: no
 * name can end its attribute, and no text the element.
 */
export function fileText({ name, mediaType, note, text }: FileAsText): string {
  const attributes = { name, type: mediaType, ...(note !== null && { note }) };
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeAttribute(value)}"`);
  // A backslash more before each `/file` can be taken away again, and leaves all other text as it is.
  return `<file${written.join('')}>\n${text.replace(/<(?=\\*\/file)/gi, '<\\')}\n</file>`;
}

function escapeAttribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** The bytes of a file as base64. */
export function fileBase64(file: FileAsBytes): Base64Text {
  return new Base64Text('', file);
}

/** The bytes of a file as a URL that holds them. */
export function fileDataUrl(file: FileAsBytes): Base64Text {
  return new Base64Text(`data:${file.mediaType};base64,`, file);
}

/** The name of a document with the ending of its type, by which OpenAI tells what it is. A person may have called it anything. */
export function documentName({ name, mediaType }: FileAsBytes): string {
  const ending = ENDINGS.get(mediaType);
  return ending === undefined || name.toLowerCase().endsWith(ending) ? name : name + ending;
}

const OFFICE = 'application/vnd.openxmlformats-officedocument';
const ENDINGS = new Map([
  ['application/pdf', '.pdf'],
  [`${OFFICE}.wordprocessingml.document`, '.docx'],
  [`${OFFICE}.spreadsheetml.sheet`, '.xlsx'],
  [`${OFFICE}.presentationml.presentation`, '.pptx'],
]);

/** What a model is told of a file whose kind it turns out not to take. */
export function leftOutText({ name, mediaType }: SentFile): string {
  return fileText({ form: 'text', name, mediaType, note: 'left out: this model cannot read it', text: '' });
}

/** Whether there is anything in a text but blank space, which providers refuse as a part of its own. */
export function hasWords(text: string): boolean {
  return /\S/.test(text);
}
