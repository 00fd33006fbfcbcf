import { asText, type JsonObject } from './json.ts';
import { filesIn, placedParts } from './message-parts.ts';
import type { ReceivedFile } from './received-file.ts';

/** What a provider takes whose messages have images as data URLs. */
export interface ImageUrlRules {
  /** Types of parts that it knows. */
  partTypes: readonly string[];
  imageTypes: readonly string[];
  /** Of one image, before base64. */
  imageBytes: number;
  imageCount: number;
}

/** What is wrong with a part, or with all of them. */
export type PartFault =
  | { fault: 'unknown-part'; type: string }
  | { fault: 'empty-text' | 'no-vision' | 'bad-base64' | 'not-an-image' }
  | { fault: 'wrong-type'; mediaType: string }
  | { fault: 'too-large'; sizeBytes: number }
  | { fault: 'too-many'; images: number };

/** The first fault of the parts of messages; null if there is none. Documents are left to the caller. */
export function findPartFault(
  messages: readonly JsonObject[],
  readsImages: boolean,
  rules: ImageUrlRules,
): PartFault | null {
  const parts = placedParts(messages);
  for (const { part } of parts) {
    const type = asText(part.type);
    if (!rules.partTypes.includes(type)) return { fault: 'unknown-part', type };
    if (/text$/.test(type) && asText(part.text) === '') return { fault: 'empty-text' };
  }
  const images = filesIn(parts).filter(({ file }) => file.form === 'image');
  if (images.length > 0 && !readsImages) return { fault: 'no-vision' };
  for (const { file } of images) {
    const fault = faultOf(file, rules);
    if (fault !== null) return fault;
  }
  return images.length > rules.imageCount ? { fault: 'too-many', images: images.length } : null;
}

function faultOf(file: ReceivedFile, { imageTypes, imageBytes }: ImageUrlRules): PartFault | null {
  const { link, mediaType, trueType, isReadable, sizeBytes } = file;
  if (/^https:/.test(link)) return null;
  if (link !== '') return { fault: 'bad-base64' };
  if (!imageTypes.includes(mediaType)) return { fault: 'wrong-type', mediaType };
  if (!isReadable) return { fault: 'bad-base64' };
  if (!imageTypes.includes(trueType)) return { fault: 'not-an-image' };
  return sizeBytes > imageBytes ? { fault: 'too-large', sizeBytes } : null;
}
