import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import type { AnswerWriter } from './answer-writer.ts';

/**
 * Writes the sources of Gemini's search. Its offsets are bytes of UTF-8, and count from the beginning of a part that the stream
 * cuts anew, so they are used only where the text there is the one that Gemini says it cites.
 */
export function readGrounding(grounding: JsonObject, writer: AnswerWriter, text: string): void {
  const sources = asObjects(grounding.groundingChunks).map((chunk) => asObject(chunk.web));
  const cited = new Set<number>();
  const bytes = Buffer.from(text);
  for (const support of asObjects(grounding.groundingSupports)) {
    const place = placeOf(asObject(support.segment), text, bytes);
    if (place === null) continue;
    for (const index of asArray(support.groundingChunkIndices)) {
      const source = typeof index === 'number' ? sources[index] : null;
      if (!source) continue;
      cited.add(index as number);
      writer.citation(source.uri, source.title, place.start, place.end);
    }
  }
  for (const [index, source] of sources.entries())
    if (source && !cited.has(index)) writer.citation(source.uri, source.title, null, null);
}

/** The place of a segment in UTF-16 code units; null if it is not certain. */
function placeOf(
  segment: JsonObject | null,
  text: string,
  bytes: Buffer,
): { start: number; end: number } | null {
  const words = asText(segment?.text);
  if (words === null) return null;
  // Protobuf leaves out a zero.
  const startByte = asCount(segment?.startIndex) ?? 0;
  const start = bytes.toString('utf8', 0, startByte).length;
  if (text.startsWith(words, start)) return { start, end: start + words.length };
  const found = text.indexOf(words);
  const isOnlyOne = found !== -1 && found === text.lastIndexOf(words);
  return isOnlyOne ? { start: found, end: found + words.length } : null;
}
