import type { Format } from './reply.ts';

export type PictureFormat = keyof typeof SIGNATURES;

/** The format that the first bytes of a file claim; null if it is no picture. Nothing is read beyond them. */
export function pictureFormatOf(start: Uint8Array): PictureFormat | null {
  return PICTURE_FORMATS.find((format) => hasSignature(start, format)) ?? null;
}

export function hasSignature(start: Uint8Array, format: PictureFormat): boolean {
  return SIGNATURES[format].every(({ at, bytes }) => {
    const found = Buffer.from(start.subarray(at, at + bytes.length));
    return found.equals(bytes);
  });
}

export function isPictureFormat(format: Format): format is PictureFormat {
  return format in SIGNATURES;
}

/** As many bytes of a file as a format takes to be recognized. */
export const SIGNATURE_BYTES = 12;

const SIGNATURES = {
  png: [{ at: 0, bytes: Buffer.from('89504e470d0a1a0a', 'hex') }],
  jpeg: [{ at: 0, bytes: Buffer.from('ffd8ff', 'hex') }],
  gif: [{ at: 0, bytes: Buffer.from('GIF8') }],
  webp: [
    { at: 0, bytes: Buffer.from('RIFF') },
    { at: 8, bytes: Buffer.from('WEBP') },
  ],
};

const PICTURE_FORMATS = Object.keys(SIGNATURES) as PictureFormat[];
