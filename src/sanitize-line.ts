/**
 * One line of text from outside, made fit to be stored and shown: without control characters and direction overrides, with
 * which a name can look like another one, without lone surrogates and without blank space around it.
 */
export function sanitizeLine(text: string): string {
  return text.replaceAll(LINE_BREAK, ' ').replaceAll(UNSHOWABLE, '').toWellFormed().trim();
}

/** Finds a character that no name may have. */
export const UNSHOWABLE: RegExp = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2060\u2066-\u2069\uFEFF]/gu;

// Words on two lines stay two words.
const LINE_BREAK = /[\t\n\v\f\r\u0085\u2028\u2029]+/gu;
