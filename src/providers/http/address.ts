import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { ProviderError } from '../failure/failure.ts';

/**
 * An address that Latchkey does not call: it resolves into the server's own network or is written in a way that hides where it
 * leads. The message says what to change. In the input of a key the person can fix it; during an answer (the name now resolves
 * elsewhere) it is a failure with the code NETWORK.
 */
export class ForbiddenAddressError extends ProviderError {
  override readonly name = 'ForbiddenAddressError';

  constructor(message: string) {
    super('NETWORK', { message });
  }
}

/**
 * Reads the base URL of a CUSTOM key: `https://` and a public host, or a private `host:port` that the operator allows. Returns
 * it as it is stored and bound: lower-case host, no default port, no slash at the end. Throws ForbiddenAddressError. The host is
 * not resolved here; the egress does so when it connects.
 */
export function checkBaseUrl(text: string, allowedPrivateHosts: readonly string[]): string {
  if (text.length > BASE_URL_LENGTH) throw new ForbiddenAddressError('The base URL is too long.');
  if (text.includes('?'))
    throw new ForbiddenAddressError('The base URL must not have a query. Remove it from the "?" on.');
  const url = checkUrl(text, allowedPrivateHosts);
  const baseUrl = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  // It can be longer than the text: letters outside ASCII are percent-encoded in it.
  if (baseUrl.length > BASE_URL_LENGTH) throw new ForbiddenAddressError('The base URL is too long.');
  return baseUrl;
}

/** Reads a URL and throws ForbiddenAddressError unless it may be called. Connect only to the returned URL. */
export function checkUrl(text: string, allowedPrivateHosts: readonly string[]): URL {
  if (!URL.canParse(text))
    throw new ForbiddenAddressError('This is not a URL. Write it like https://api.example.com/v1.');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new ForbiddenAddressError('The URL must begin with https://.');
  }
  if (url.username !== '' || url.password !== '') {
    throw new ForbiddenAddressError(
      'The URL must not have a user name or password. Put the secret into the key.',
    );
  }
  if (text.includes('#'))
    throw new ForbiddenAddressError('The URL must not have a "#". Remove it and what follows.');

  // A name with a trailing dot is the same name, and would pass every comparison below.
  url.hostname = url.hostname.replace(/\.$/, '');
  if (isAllowedPrivateHost(url, allowedPrivateHosts)) return url;
  if (url.protocol === 'http:') {
    throw new ForbiddenAddressError(`The URL must begin with https://. ${ASK_THE_OPERATOR}`);
  }
  if (!isPublicHost(url.hostname)) {
    throw new ForbiddenAddressError(`The URL leads into a private network. ${ASK_THE_OPERATOR}`);
  }
  return url;
}

/** Whether the operator allows keys to name this private host and port. Compared as text, never resolved. */
export function isAllowedPrivateHost(url: URL, allowedPrivateHosts: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return allowedPrivateHosts.includes(`${url.hostname}:${port}`);
}

/** Whether an IP address belongs to the public internet. False for text that is no IP address. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !NOT_PUBLIC.check(address, 'ipv4');
  if (!isIPv6(address) || address.includes('%')) return false;
  return GLOBAL_UNICAST.check(address, 'ipv6') && !NOT_PUBLIC.check(address, 'ipv6');
}

const ASK_THE_OPERATOR =
  'If the server is in your own network, ask the operator of Latchkey to list it in LATCHKEY_ALLOWED_PRIVATE_HOSTS.';
const BASE_URL_LENGTH = 1_024; // it must fit into an index entry; real ones have a tenth

function isPublicHost(hostname: string): boolean {
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) return isPublicAddress(literal);
  const labels = hostname.split('.');
  if (labels.length < 2 || labels.includes('')) return false;
  return !PRIVATE_NAMES.some((name) => hostname === name || hostname.endsWith(`.${name}`));
}

/** Names that never lead to the public internet (RFC 6761, 6762, 8375, ICANN's `.internal`) or to a cloud's metadata. */
const PRIVATE_NAMES = [
  'localhost',
  'local',
  'internal',
  'home.arpa',
  'localdomain',
  'lan',
  'intranet',
  'metadata.goog',
];

/** The only IPv6 range of the internet (RFC 4291 §2.4); it leaves out mapped IPv4 addresses, which could bypass the IPv4 rules. */
const GLOBAL_UNICAST = blockList({ ipv6: ['2000::/3'] });

/** IANA's special-purpose registries without globally reachable ranges; of IPv6 only those within 2000::/3. */
const NOT_PUBLIC = blockList({
  ipv4: [
    '0.0.0.0/8', // this host
    '10.0.0.0/8', // private
    '100.64.0.0/10', // carrier-grade NAT, and some clouds' metadata
    '127.0.0.0/8', // loopback
    '169.254.0.0/16', // link-local, and most clouds' metadata
    '172.16.0.0/12', // private
    '192.0.0.0/24', // protocol assignments
    '192.0.2.0/24', // documentation
    '192.88.99.0/24', // 6to4 relays
    '192.168.0.0/16', // private
    '198.18.0.0/15', // benchmarks
    '198.51.100.0/24', // documentation
    '203.0.113.0/24', // documentation
    '224.0.0.0/4', // multicast
    '240.0.0.0/4', // reserved, broadcast
  ],
  ipv6: [
    '2001::/23', // protocol assignments, Teredo among them
    '2001:db8::/32', // documentation
    '2002::/16', // 6to4: carries any IPv4 address
    '3fff::/20', // documentation
  ],
});

function blockList(subnets: { ipv4?: readonly string[]; ipv6: readonly string[] }): BlockList {
  const list = new BlockList();
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const subnet of subnets[family] ?? []) {
      const [address = '', prefix] = subnet.split('/');
      list.addSubnet(address, Number(prefix), family);
    }
  }
  return list;
}
