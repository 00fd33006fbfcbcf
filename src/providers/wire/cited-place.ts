import { asCount, asText, type JsonObject } from '../json.ts';

/**
 * The place that a `url_citation` names, in UTF-16 code units of the text so far. Servers count code points or code units. Where
 * these differ, the place is the one that is exactly a link to the URL, as such texts have them; null if neither is.
 */
export function citedPlace(annotation: JsonObject, text: string): { start: number; end: number } | null {
  const start = asCount(annotation.start_index);
  const end = asCount(annotation.end_index);
  if (start === null || end === null) return null;
  const places = [
    { start, end },
    { start: unitsOf(text, start), end: unitsOf(text, end) },
  ];
  const [units, points] = places;
  if (units?.end === points?.end) return { start, end };
  const url = asText(annotation.url) ?? '';
  const isLink = (words: string) => /^[[(].*[\])]$/s.test(words) && words.includes(url);
  return places.find((place) => isLink(text.slice(place.start, place.end))) ?? null;
}

/** Code units of the first so many code points; beyond the text so far both counts go on alike. */
function unitsOf(text: string, points: number): number {
  let left = points;
  let units = 0;
  for (const character of text) {
    if (left === 0) return units;
    left -= 1;
    units += character.length;
  }
  return units + left;
}
