/** A JSON object of unknown shape from the wire. */
export type JsonObject = Record<string, unknown>;

/** Reads text as a JSON object; null when it is none. */
export function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The value if it is a JSON object, else null. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** The objects in a list; none when the value is no list. */
export function asObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(asObject).filter((item) => item !== null) : [];
}

/** The value if it is text, else empty text. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The value if it is a number, else null. */
export function asNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
