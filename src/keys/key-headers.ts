import { InvalidInputError } from '../errors.ts';
import type { Provider } from '../providers/provider.ts';

/**
 * The headers of a submitted CUSTOM key, by lower-case name; undefined for none. Throws InvalidInputError, whose sentences never
 * quote a header: a value is a secret, and so may be a name that is none.
 */
export function checkHeaders(
  headers: Readonly<Record<string, string>> | null,
  provider: Pick<Provider, 'baseUrl' | 'title'>,
  secret: string,
): Record<string, string> | undefined {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return undefined;
  if (provider.baseUrl !== null)
    throw refused(`${provider.title} takes no headers with a key. Seal the secret with headers null.`);
  if (entries.length > MOST_HEADERS)
    throw refused(`A key has at most ${MOST_HEADERS} headers. Leave some out.`);
  if (entries.reduce((total, [name, value]) => total + name.length + value.length, 0) > LONGEST_HEADERS)
    throw refused('The headers of a key are at most 4,096 characters long together. Leave some out.');
  const checked = new Map<string, string>();
  for (const [written, value] of entries) {
    const name = written.toLowerCase();
    if (!TOKEN.test(name)) throw refused('A header has a name that no header can have.');
    if (RESERVED.has(name) || RESERVED_PREFIX.test(name))
      throw refused(`The header ${name} is not for a key to set. Leave it out.`);
    if (name === 'authorization' && secret !== '')
      throw refused('The secret is sent in the header authorization. Give either it or the secret.');
    if (!PRINTABLE.test(value))
      throw refused('A header has a value that is empty, or has characters that no header can carry.');
    if (checked.has(name)) throw refused('A header is named twice. Name each one once.');
    checked.set(name, value);
  }
  return Object.fromEntries(checked);
}

function refused(sentence: string): InvalidInputError {
  return new InvalidInputError('sealed', sentence);
}

const MOST_HEADERS = 16; // gateways ask for one to three
const LONGEST_HEADERS = 4_096; // servers refuse requests with more than 8 to 16 KiB of headers

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** ASCII from the first character to the last that can be seen. A line break would begin another header. */
const PRINTABLE = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/** Headers that belong to one connection, that frame the request, that this server sets itself, or that claim another sender. */
const RESERVED = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
]);
const RESERVED_PREFIX = /^(proxy-|sec-|x-forwarded-|x-real-ip$)|^__proto__$/;
