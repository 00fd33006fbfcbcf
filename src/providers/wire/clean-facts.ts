import { sanitizeLine } from '../../sanitize-line.ts';
import type { Citation, TokenUsage } from '../provider.ts';

/**
 * Sanitises a source before it is stored: a value that the database refuses would prevent the end of the answer from being saved,
 * so no provider's value goes into a row unchecked. Null for a source whose URL must not become a link: too long, no web page,
 * with a user name, or with invisible characters or ones that change the direction of writing. It is not repaired, since
 * another URL would lead elsewhere.
 */
export function cleanCitation(citation: Citation): Citation | null {
  const { url, title } = citation;
  if (url.length > MAX_URL_LENGTH || !/^https?:\/\//i.test(url)) return null;
  if (UNSEEN.test(url) || !url.isWellFormed()) return null;
  const parsed = URL.parse(url);
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return null;
  return {
    url,
    title: title === null ? null : sanitizeText(title, MAX_TITLE_LENGTH) || null,
    startOffset: cleanCount(citation.startOffset),
    endOffset: cleanCount(citation.endOffset),
  };
}

/** The same citation for the part of a text from `start` on, `length` long: without offsets unless they lie there in order. */
export function placeCitation(citation: Citation, start: number, length: number): Citation {
  const startOffset = (citation.startOffset ?? -1) - start;
  const endOffset = (citation.endOffset ?? -1) - start;
  const isInside = startOffset >= 0 && startOffset <= endOffset && endOffset <= length;
  return isInside
    ? { ...citation, startOffset, endOffset }
    : { ...citation, startOffset: null, endOffset: null };
}

/** Token counts as whole numbers that a column can hold; null in the place of any other value. */
export function cleanUsage(usage: TokenUsage): TokenUsage {
  return {
    inputTokens: cleanCount(usage.inputTokens),
    outputTokens: cleanCount(usage.outputTokens),
    cachedInputTokens: cleanCount(usage.cachedInputTokens),
    cacheWriteTokens: cleanCount(usage.cacheWriteTokens),
    reasoningTokens: cleanCount(usage.reasoningTokens),
  };
}

/** A short line without NUL and lone surrogates, which PostgreSQL refuses, and without characters that could disguise it. */
export function sanitizeText(text: string, maxLength: number): string {
  return sanitizeLine(text.slice(0, maxLength + SLACK_LENGTH))
    .slice(0, maxLength)
    .toWellFormed();
}

/** A whole number that a column and GraphQL's Int can hold; null for any other value. */
export function cleanCount(value: number | null): number | null {
  return value !== null && Number.isInteger(value) && value >= 0 && value <= MAX_INTEGER ? value : null;
}

/** A date of these decades; null for any other, such as one in milliseconds that was read as seconds, or zero for none. */
export function cleanDate(date: Date | null): Date | null {
  return date !== null && date >= EARLIEST_DATE && date < LATEST_DATE ? date : null;
}

// A longer piece than the limit is sanitised, since removed characters make room, but not a text of megabytes.
const SLACK_LENGTH = 1_000;
const MAX_URL_LENGTH = 4_096;
const MAX_TITLE_LENGTH = 500;
const EARLIEST_DATE = new Date('2000-01-01');
const LATEST_DATE = new Date('2100-01-01');
const MAX_INTEGER = 2_147_483_647; // of a PostgreSQL integer and of GraphQL's Int
// Controls, line breaks, and marks that are invisible or change the direction of writing. Not blanks: Gemini writes them into URLs.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
