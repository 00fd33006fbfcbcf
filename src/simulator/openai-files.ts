import { asText, type JsonObject } from './json.ts';
import { filesIn, type PlacedPart, placedParts } from './message-parts.ts';
import { refused } from './openai-rules.ts';
import type { ModelFacts, Reply } from './provider.ts';
import type { ReceivedFile } from './received-file.ts';

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const OFFICE = 'application/vnd.openxmlformats-officedocument';
const DOCUMENTS = [
  'application/pdf',
  `${OFFICE}.wordprocessingml.document`,
  `${OFFICE}.spreadsheetml.sheet`,
  `${OFFICE}.presentationml.presentation`,
  'text/csv',
  'text/plain',
  'text/markdown',
  'application/json',
];
const MOST_IMAGES = 500;
const MOST_BYTES = 50_000_000;

/** One of the two protocols: the names of its parts, and the documents that it takes. */
interface Rules {
  field: string;
  partTypes: readonly string[];
  documents: readonly string[];
}

/** Why OpenAI refuses the parts of chat messages; null if it does not. Of documents it takes PDF alone there. */
export function refuseChatParts(
  model: ModelFacts | undefined,
  messages: readonly JsonObject[],
): Reply | null {
  return refuseParts(model, messages, {
    field: 'messages',
    partTypes: ['text', 'image_url', 'input_audio', 'refusal', 'audio', 'file'],
    documents: ['application/pdf'],
  });
}

/** Why OpenAI refuses the parts of its Responses' input; null if it does not. */
export function refuseInputParts(model: ModelFacts | undefined, input: readonly JsonObject[]): Reply | null {
  return refuseParts(model, input, {
    field: 'input',
    partTypes: ['input_text', 'input_image', 'output_text', 'refusal', 'input_file', 'summary_text'],
    documents: DOCUMENTS,
  });
}

function refuseParts(
  model: ModelFacts | undefined,
  messages: readonly JsonObject[],
  rules: Rules,
): Reply | null {
  const parts = placedParts(messages.filter(({ type }) => type === undefined || type === 'message'));
  const files = filesIn(parts);
  const wrong = parts.find(({ part }) => !rules.partTypes.includes(asText(part.type)));
  if (wrong) {
    const values = LIST.format(rules.partTypes.map((type) => `'${type}'`));
    const message = `Invalid value: '${asText(wrong.part.type)}'. Supported values are: ${values}.`;
    return refused(message, pathOf(wrong, rules), 'invalid_value');
  }
  if (files.length > 0 && model?.readsImages === false) {
    return refused(
      'Invalid content type. image_url is only supported by certain models.',
      pathOf(files[0] as PlacedPart, rules),
      null,
    );
  }
  for (const each of files) {
    const reply = each.file.form === 'image' ? refuseImage(each, rules) : refuseDocument(each, rules);
    if (reply) return reply;
  }
  const images = files.filter(({ file }) => file.form === 'image').length;
  if (images > MOST_IMAGES)
    return refused(
      `Too many images: ${images}. At most ${MOST_IMAGES} are allowed in a request.`,
      null,
      'too_many_images',
    );
  const bytes = files.reduce((total, { file }) => total + file.sizeBytes, 0);
  if (bytes > MOST_BYTES)
    return refused('The total size of the files in a request must be at most 50 MB.', null, 'file_too_large');
  return null;
}

const LIST = new Intl.ListFormat('en');

type PlacedFile = PlacedPart & { file: ReceivedFile };

function refuseImage(placed: PlacedFile, rules: Rules): Reply | null {
  const { mediaType, trueType, isReadable, link } = placed.file;
  const path = `${pathOf(placed, rules)}.image_url`;
  if (/^https:/.test(link)) return null;
  if (link !== '') {
    const message = `Invalid '${path}'. Expected a base64-encoded data URL with an image MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got a value without the 'data:' prefix.`;
    return refused(message, path, 'invalid_value');
  }
  if (!mediaType.startsWith('image/'))
    return refused('Invalid MIME type. Only image types are supported.', path, 'invalid_image_format');
  if (!isReadable) return refused('Invalid base64 image_url.', path, 'invalid_base64');
  if (IMAGES.includes(mediaType) && IMAGES.includes(trueType)) return null;
  const message =
    "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].";
  return refused(message, path, 'invalid_image_format');
}

function refuseDocument(placed: PlacedFile, rules: Rules): Reply | null {
  const { name, mediaType, trueType, isReadable, isEncrypted, link } = placed.file;
  const path = `${pathOf(placed, rules)}.${rules.field === 'messages' ? 'file.' : ''}`;
  if (/^(https:|file-)/.test(link) && rules.field === 'input') return null;
  if (name === '')
    return refused(
      `Missing required parameter: '${path}filename'.`,
      `${path}filename`,
      'missing_required_parameter',
    );
  if (!rules.documents.includes(mediaType)) {
    const message = `Invalid file data: '${path}file_data'. Expected a base64-encoded data URL with an application/pdf MIME type (e.g. 'data:application/pdf;base64,aW1nIGJ5dGVzIGhlcmU='), but got unsupported MIME type '${mediaType}'.`;
    return refused(message, `${path}file_data`, 'invalid_value');
  }
  const isWhole = isReadable && (mediaType !== 'application/pdf' || trueType === mediaType) && !isEncrypted;
  return isWhole ? null : refused('The file could not be processed.', `${path}file_data`, 'invalid_file');
}

function pathOf({ place: [message, part] }: PlacedPart, { field }: Rules): string {
  return `${field}[${message}].content[${part}]`;
}
