import { isUtf8 } from 'node:buffer';
import { analyse } from 'chardet';

/** Decodes a file as text, whatever its encoding; null if it is no text. */
export function decodeText(bytes: Uint8Array): DecodedText | null {
  const encoding = unicodeEncodingOf(bytes);
  if (encoding !== null) return unlessBinary(decode(bytes, encoding), false);
  if (bytes.includes(0)) return null;
  const lossy = new TextDecoder().decode(bytes);
  if (isMostlyUtf8(lossy)) return unlessBinary(lossy, true);
  for (const guess of [...guessEncodings(bytes), 'windows-1252']) {
    const decoded = unlessBinary(decode(bytes, guess), true);
    if (decoded !== null) return decoded;
  }
  return null;
}

export interface DecodedText {
  text: string;
  /** Whether the encoding was guessed from how often bytes occur. */
  isGuessed: boolean;
}

/** The Unicode encoding that the bytes are in without doubt; null if there is none. */
function unicodeEncodingOf(bytes: Uint8Array): string | null {
  // Bytes of ISO-2022-JP are ASCII as well; its letters begin with an escape. UTF-16 of ASCII letters is UTF-8 with NULs.
  if (isUtf8(bytes) && !bytes.includes(ESCAPE) && !bytes.includes(0)) return 'utf-8';
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  const sample = bytes.subarray(0, SAMPLE_OF_NULS_BYTES);
  const nuls = [0, 0];
  for (const [index, byte] of sample.entries()) if (byte === 0) nuls[index % 2] = (nuls[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = nuls;
  const most = sample.length / 2;
  if (even === 0 && odd > most * SHARE_OF_NULS) return 'utf-16le';
  return odd === 0 && even > most * SHARE_OF_NULS ? 'utf-16be' : null;
}

/**
 * Encodings by how often bytes occur, the most probable first. Of a large file only the beginning is looked at: all of 20 MiB
 * would take 11 seconds.
 */
function guessEncodings(bytes: Uint8Array): string[] {
  return analyse(bytes.subarray(0, SAMPLE_OF_LETTERS_BYTES))
    .filter(({ confidence }) => confidence >= LEAST_CONFIDENCE)
    .map(({ name }) => name);
}

/** Null if the bytes are not valid in that encoding, or Node does not know it. */
function decode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Whether most letters beyond ASCII are valid: next to none are by chance, so the rest are faults. */
function isMostlyUtf8(lossy: string): boolean {
  let valid = 0;
  let wrong = 0;
  for (let index = 0; index < lossy.length; index += 1) {
    const code = lossy.charCodeAt(index);
    if (code === REPLACEMENT) wrong += 1;
    else if (code > LAST_OF_ASCII) valid += 1;
  }
  return valid > wrong * 4;
}

/** Null for what is no text: a tenth of the characters that compressed data decodes to are control characters. */
function unlessBinary(text: string | null, isGuessed: boolean): DecodedText | null {
  if (text === null) return null;
  const sample = text.slice(0, SAMPLE_OF_LETTERS_BYTES);
  let controls = 0;
  for (const letter of sample) if (/\p{Cc}/u.test(letter) && !USUAL_CONTROLS.includes(letter)) controls += 1;
  return controls > sample.length * MOST_CONTROLS ? null : { text, isGuessed };
}

const ESCAPE = 0x1b;
const USUAL_CONTROLS = '\b\t\n\v\f\r\x1b\x85';
const MOST_CONTROLS = 0.01;
const REPLACEMENT = 0xfffd;
const LAST_OF_ASCII = 0x7f;
const SAMPLE_OF_NULS_BYTES = 4 * 2 ** 10;
const SHARE_OF_NULS = 0.7; // a text in mostly Latin letters
const SAMPLE_OF_LETTERS_BYTES = 64 * 2 ** 10;
const LEAST_CONFIDENCE = 10; // of 100; a short text reaches no more in its own encoding
