/**
 * About how many tokens a text is for a model of which a token of English is four characters. Models cut other texts much finer:
 * Chinese into a token for each character, tables of numbers and base64 into one for every two or three.
 */
export function estimateTokens(text: string): number {
  let eighths = 0;
  let runLength = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    runLength = code > SPACE && code < ASCII_END ? runLength + 1 : 0;
    eighths += runLength > LONGEST_WORD ? HALF : (EIGHTHS[code] ?? WHOLE);
  }
  return Math.ceil(eighths / 8);
}

/** Eighths of a token for a UTF-16 code unit. A character beyond the basic plane, such as an emoji, is two of them. */
function eighthsOf(code: number): number {
  if (code < ASCII_END) return isLetter(code) || code <= SPACE ? QUARTER : HALF;
  if (code < ARABIC_END) return HALF; // Latin with marks, Greek, Cyrillic, Hebrew, Arabic
  if (code >= PUNCTUATION_START && code < PUNCTUATION_END) return HALF; // dashes and curly quotes
  return WHOLE; // Indic scripts, Thai, Chinese, Japanese, Korean and the rest
}

function isLetter(code: number): boolean {
  const lowerCase = code | 0x20;
  return lowerCase >= 0x61 && lowerCase <= 0x7a;
}

const SPACE = 0x20;
const ASCII_END = 0x80;
const ARABIC_END = 0x0780;
const PUNCTUATION_START = 0x2000;
const PUNCTUATION_END = 0x2070;
const [QUARTER, HALF, WHOLE] = [2, 4, 8];
/** What is longer without a blank is no word but a code, such as base64, whose letters are cut like digits. */
const LONGEST_WORD = 40;
/** Of every code unit: a text of a million of them is looked through in the event loop. */
const EIGHTHS = Uint8Array.from({ length: 0x1_0000 }, (_, code) => eighthsOf(code));
