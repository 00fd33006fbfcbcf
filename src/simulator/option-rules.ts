import { asNumber, asObject, asText, type JsonObject } from './json.ts';

/** The first field that is not among the known ones. */
export function unknownField(body: JsonObject, known: readonly string[]): string | undefined {
  return Object.keys(body).find((name) => !known.includes(name));
}

/** The first of these numbers that lies outside of its range. */
export function findOutOfRange(
  body: JsonObject,
  ranges: Readonly<Record<string, readonly [min: number, max: number]>>,
): { name: string; value: number; min: number; max: number } | null {
  for (const [name, [min, max]] of Object.entries(ranges)) {
    const value = asNumber(body[name]);
    if (value !== null && (value < min || value > max)) return { name, value, min, max };
  }
  return null;
}

/** Text of a field of an object in the body, e.g. of `reasoning.effort`; empty if there is none. */
export function textAt(body: JsonObject, holder: string, field: string): string {
  return asText(asObject(body[holder])?.[field]);
}
