import sharp, { type Sharp } from 'sharp';
import { LARGEST_PICTURE_BYTES, LONGEST_PICTURE_SIDE, type Reply } from '../reply.ts';
import { Refusal } from './refusal.ts';

// libvips has decoders for SVG, PDF and many other formats, and can read files by their path. None of them is needed.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['Png', 'Jpeg', 'Webp', 'Nsgif'].map((name) => `VipsForeignLoad${name}Buffer`) });
sharp.cache(false);

/**
 * Reads a picture and makes the copy that models get: upright, its first frame, no larger than they look at, and without what
 * else such files hold, such as the place where it was taken. Only decoding shows whether a picture is whole.
 */
export async function readPicture(bytes: Uint8Array): Promise<Reply> {
  const original = sharp(bytes, { limitInputPixels: false, failOn: 'error' });
  const { format, width, height, pages = 1, autoOrient } = await original.metadata();
  if (format !== 'png' && format !== 'jpeg' && format !== 'webp' && format !== 'gif') {
    throw new Refusal('DAMAGED');
  }
  if (width * height > MOST_PIXELS) throw new Refusal('TOO_MANY_PIXELS');
  const upright = original.autoOrient().resize({
    width: LONGEST_PICTURE_SIDE,
    height: LONGEST_PICTURE_SIDE,
    fit: 'inside',
    withoutEnlargement: true,
  });
  return {
    type: 'ready',
    format,
    width: autoOrient.width,
    height: autoOrient.height,
    pageCount: null,
    isEncrypted: false,
    notes: pages > 1 ? ['FIRST_FRAME'] : [],
    text: null,
    picture: await encode(upright, format === 'jpeg'),
  };
}

/** Photographs become JPEG, and everything else PNG, in which letters stay sharp and what is transparent does. */
async function encode(picture: Sharp, isPhotograph: boolean) {
  if (!isPhotograph) {
    const bytes = await picture.clone().png().toBuffer();
    if (bytes.length <= LARGEST_PICTURE_BYTES) return { format: 'png' as const, bytes };
  }
  const opaque = picture.flatten({ background: 'white' });
  for (const quality of QUALITIES) {
    const bytes = await opaque.clone().jpeg({ quality }).toBuffer();
    if (bytes.length <= LARGEST_PICTURE_BYTES) return { format: 'jpeg' as const, bytes };
  }
  throw new Refusal('TOO_COMPLEX');
}

/** 8,192 in the square. Some files must be decoded as a whole, and take 4 bytes for each. */
const MOST_PIXELS = 2 ** 26;

/** Of JPEG. The first is enough for photographs; even noise fits at the last. */
const QUALITIES = [88, 70, 40];
