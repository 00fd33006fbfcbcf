/** A JSON object from outside: every field may be missing or of another type than promised. */
export type JsonObject = { readonly [name: string]: unknown };

/**
 * The JSON value in a text; undefined if the text is not JSON, or has deeper nesting or more values than any provider's: a
 * mebibyte of brackets takes half a second to parse, which blocks the event loop.
 */
export function parseJson(text: string, limits: JsonLimits = EVENT_LIMITS): unknown {
  if (!isWithin(text, limits)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface JsonLimits {
  /** Most objects and arrays inside each other. */
  depth: number;
  /** Most values in all. */
  values: number;
  /** Most fields of objects in all; new field names are the most expensive part of parsing. */
  fields: number;
}

/** For events and errors: a finished response repeated in full, with hundreds of sources, is far smaller. */
const EVENT_LIMITS: JsonLimits = { depth: 64, values: 10_000, fields: 10_000 };

/** For whole documents: the longest lists of models have some forty thousand values. */
export const DOCUMENT_LIMITS: JsonLimits = { depth: 64, values: 250_000, fields: 120_000 };

/** Counts brackets, commas and colons outside of strings, without parsing: a millisecond for a mebibyte. */
function isWithin(text: string, limits: JsonLimits): boolean {
  // Nearly all events carry one token: so few characters hold no more values, and so few brackets are not nested deeper.
  if (text.length <= Math.min(limits.values, limits.fields) && hasFewBrackets(text, limits.depth))
    return true;
  let [depth, values, fields] = [0, 0, 0];
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index);
        break;
      case OPENING_BRACE:
      case OPENING_BRACKET:
        depth++;
        values++;
        if (depth > limits.depth) return false;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth--;
        break;
      case COMMA:
        values++;
        break;
      case COLON:
        fields++;
        break;
    }
  }
  return values <= limits.values && fields <= limits.fields;
}

/** Whether a text has at most so many opening brackets, those in strings included. */
function hasFewBrackets(text: string, most: number): boolean {
  let left = most;
  for (let at = text.indexOf('{'); at !== -1; at = text.indexOf('{', at + 1)) if (--left < 0) return false;
  for (let at = text.indexOf('['); at !== -1; at = text.indexOf('[', at + 1)) if (--left < 0) return false;
  return true;
}

/** The place of the quote that ends the string begun here, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPENING_BRACE, CLOSING_BRACE, OPENING_BRACKET, CLOSING_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** The value if it is an object and not an array, else null. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** The value if it is an array, else an empty one. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The objects among the entries of an array; anything else is left out. */
export function asObjects(value: unknown): JsonObject[] {
  return asArray(value)
    .map(asObject)
    .filter((entry) => entry !== null);
}

/** The value if it is a non-empty string, else null. */
export function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The value if it is a number that can be a count, else null. */
export function asCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/**
 * The time of an end that is stated as a date, a date with a time, or a Unix time in seconds, else null: that of a date alone is the
 * end of the day, until which it may still be there. Without a time zone it is in UTC.
 */
export function asEnd(value: unknown): Date | null {
  const seconds = asCount(value);
  const written = DATE.exec(asText(value) ?? '');
  if (seconds === null && written === null) return null;
  const [, day, time = '23:59:59', zone = 'Z'] = written ?? [];
  const date = new Date(seconds === null ? `${day}T${time}${zone}` : seconds * 1_000);
  return Number.isNaN(date.getTime()) ? null : date;
}

const DATE = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?)?$/;
