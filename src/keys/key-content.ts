import type { Credentials } from '../providers/provider.ts';

/**
 * What is sealed in the record of a key: the secret alone, as ever, or with headers a NUL and their JSON. No secret begins with NUL,
 * since none has other characters than a header can carry.
 */
export function encodeKeyContent({ secret, headers }: Credentials): string {
  return headers === undefined ? secret : `\0${JSON.stringify({ secret, headers })}`;
}

/** Reads what `encodeKeyContent` wrote. The record's seal vouches for it, so it is not checked again. */
export function decodeKeyContent(content: Uint8Array): Credentials {
  const text = new TextDecoder().decode(content);
  return text.startsWith('\0') ? (JSON.parse(text.slice(1)) as Credentials) : { secret: text };
}
