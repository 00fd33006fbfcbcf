import { asObject, asText, type JsonObject } from './json.ts';
import { filesIn, placedParts } from './message-parts.ts';
import { unknownField } from './option-rules.ts';
import type { ModelFacts } from './provider.ts';
import type { ReceivedFile } from './received-file.ts';

const IMAGES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];
const BLOCKS = [
  'document',
  'image',
  'redacted_thinking',
  'search_result',
  'text',
  'thinking',
  'tool_result',
  'tool_use',
];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  image: ['type', 'source', 'cache_control'],
  document: ['type', 'source', 'title', 'context', 'citations', 'cache_control'],
};
const IMAGE_BASE64_LENGTH = 5_242_880;
const LONGEST_SIDE = 8_000;
const MANY_IMAGES = 20;
const LONGEST_SIDE_OF_MANY = 2_000;

/** Why Anthropic refuses the blocks of messages, in its own words; null if it does not. */
export function refuseBlocks(model: ModelFacts | undefined, messages: readonly JsonObject[]): string | null {
  const blocks = placedParts(messages);
  for (const { part, place } of blocks) {
    const type = asText(part.type);
    const path = `messages.${place[0]}.content.${place[1]}`;
    if (!BLOCKS.includes(type)) {
      const tags = BLOCKS.map((tag) => `'${tag}'`).join(', ');
      return `${path}: Input tag '${type}' found using 'type' does not match any of the expected tags: ${tags}`;
    }
    const field = FIELDS[type] && unknownField(part, FIELDS[type]);
    if (field) return `${path}.${type}.${field}: Extra inputs are not permitted`;
    const title = part.title;
    if (title !== undefined && (asText(title) === '' || asText(title).length > 500))
      return `${path}.document.title: String should have between 1 and 500 characters`;
    const source = asObject(part.source);
    if (type === 'document' && source?.type === 'text') {
      if (source.media_type !== 'text/plain')
        return `${path}.document.source.text.media_type: Input should be 'text/plain'`;
      if (asText(source.data) === '')
        return `${path}.document.source.text.data: String should have at least 1 character`;
    }
  }
  return refuseFiles(model, filesIn(blocks));
}

function refuseFiles(model: ModelFacts | undefined, files: ReturnType<typeof filesIn>): string | null {
  const images = files.filter(({ file }) => file.form === 'image').length;
  const pages = files.reduce((total, { file }) => total + file.pages, 0);
  for (const { file, place } of files) {
    const path = `messages.${place[0]}.content.${place[1]}.${file.form}.source.base64`;
    if (model?.readsImages === false) return `${path}: This model does not support ${file.form} input.`;
    const reason = file.form === 'image' ? refuseImage(file, images) : refuseDocument(file);
    if (reason !== null) return `${path}${reason}`;
  }
  const most = (model?.contextTokens ?? 0) >= 1_000_000 ? 600 : 100;
  const papers = files.filter(({ file }) => file.form === 'document' && file.pages > most);
  if (papers.length > 0) return `A maximum of ${most} PDF pages may be provided.`;
  return images + pages > most
    ? `Too much media: ${pages} document pages + ${images} images > ${most}`
    : null;
}

/** The end of a sentence that begins with the path of the source. */
function refuseImage(file: ReceivedFile, images: number): string | null {
  const { mediaType, trueType, base64Length, isReadable, link, width, height } = file;
  if (/^https:/.test(link)) return null;
  if (!IMAGES.includes(mediaType))
    return ".media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'";
  if (!isReadable) return '.data: Invalid base64 data';
  if (base64Length > IMAGE_BASE64_LENGTH)
    return `: image exceeds 5 MB maximum: ${base64Length} bytes > ${IMAGE_BASE64_LENGTH} bytes`;
  if (trueType === '') return '.data: Could not process image';
  if (trueType !== mediaType) return `.data: Image does not match the provided media type ${mediaType}`;
  const side = Math.max(width, height);
  if (images > MANY_IMAGES && side > LONGEST_SIDE_OF_MANY)
    return `.data: At least one of the image dimensions exceed max allowed size for many-image requests: ${LONGEST_SIDE_OF_MANY} pixels`;
  if (side > LONGEST_SIDE)
    return `.data: At least one of the image dimensions exceed max allowed size: ${LONGEST_SIDE} pixels`;
  return null;
}

function refuseDocument({ mediaType, trueType, isReadable, isEncrypted, link }: ReceivedFile): string | null {
  if (/^https:/.test(link)) return null;
  if (mediaType !== 'application/pdf') return ".media_type: Input should be 'application/pdf'";
  if (!isReadable) return '.data: Invalid base64 data';
  if (trueType !== mediaType) return '.data: The PDF specified was not valid.';
  return isEncrypted ? '.data: The PDF specified is password protected.' : null;
}
