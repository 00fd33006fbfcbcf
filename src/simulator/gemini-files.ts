import { asObject, type JsonObject } from './json.ts';
import { filesIn, placedParts } from './message-parts.ts';
import { unknownField } from './option-rules.ts';
import type { ModelFacts } from './provider.ts';

const PART_FIELDS = [
  'text',
  'inlineData',
  'fileData',
  'thought',
  'thoughtSignature',
  'functionCall',
  'functionResponse',
];
const BLOB_FIELDS = ['mimeType', 'data'];
const IMAGES = ['image/png', 'image/jpeg', 'image/webp', 'image/heic', 'image/heif'];
const MOST_IMAGES = 3_600;
const MOST_PAGES = 1_000;
const MOST_DOCUMENT_BYTES = 50_000_000;

/** Why Gemini refuses the parts of contents, in its own words; null if it does not. */
export function refuseParts(model: ModelFacts | undefined, contents: readonly JsonObject[]): string | null {
  const parts = placedParts(contents, 'parts');
  for (const { part, place } of parts) {
    const path = `contents[${place[0]}].parts[${place[1]}]`;
    const field = unknownField(part, PART_FIELDS);
    if (field)
      return `Invalid JSON payload received. Unknown name "${field}" at '${path}': Cannot find field.`;
    const blob = asObject(part.inlineData);
    const inBlob = blob && unknownField(blob, BLOB_FIELDS);
    if (inBlob)
      return `Invalid JSON payload received. Unknown name "${inBlob}" at '${path}.inline_data': Cannot find field.`;
    if (part.text === '' && part.thoughtSignature === undefined)
      return '* GenerateContentRequest.contents.parts: contents.parts must not be empty.';
  }
  const files = filesIn(parts);
  for (const { file, part, place } of files) {
    const { mediaType, trueType, isReadable, link, sizeBytes, pages, isEncrypted } = file;
    const isPdf = mediaType === 'application/pdf';
    if (!IMAGES.includes(mediaType) && !isPdf && mediaType !== 'text/plain')
      return `Unsupported MIME type: ${mediaType}`;
    if (model?.readsImages === false)
      return `${isPdf ? 'Document' : 'Image'} input modality is not enabled for models/${model.id}`;
    if (link !== '') continue;
    // It repeats what it cannot decode.
    if (!isReadable)
      return `Invalid value at 'contents[${place[0]}].parts[${place[1]}].inline_data.data' (TYPE_BYTES), Base64 decoding failed for "${String(asObject(part.inlineData)?.data).slice(0, 40)}"`;
    if (isPdf && (trueType !== mediaType || isEncrypted || pages === 0)) return 'The document has no pages.';
    if (isPdf && sizeBytes > MOST_DOCUMENT_BYTES)
      return `The document size exceeds the supported limit of ${MOST_DOCUMENT_BYTES} bytes.`;
    if (pages > MOST_PAGES)
      return `The document contains ${pages} pages which exceeds the supported page limit of ${MOST_PAGES}.`;
    const isImage = ['image/png', 'image/jpeg', 'image/webp'].includes(mediaType);
    if (isImage && trueType !== mediaType) return 'Unable to process input image.';
  }
  const images = files.filter(({ file }) => file.form === 'image').length;
  return images > MOST_IMAGES
    ? `Please use fewer than ${MOST_IMAGES} images in your request to models/${model?.id}`
    : null;
}
