import { BlockList, isIP } from 'node:net';

/** Addresses and networks, e.g. `10.0.0.2`, `10.0.0.0/8` and `fd00::/8`. */
export class Networks {
  readonly #list = new BlockList();

  constructor(networks: readonly Network[]) {
    for (const { address, prefixBits, family } of networks) this.#list.addSubnet(address, prefixBits, family);
  }

  /** Whether an address, written as `readAddress` writes it, is in one of them. */
  includes(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

export interface Network {
  address: string;
  prefixBits: number;
  family: 'ipv4' | 'ipv6';
}

/** An address or a network in CIDR notation; null if the text is neither. */
export function parseNetwork(text: string): Network | null {
  const [, written = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = isIP(written) === 0 ? null : readAddress(written);
  if (address === null) return null;
  const isV4 = isIP(address) === 4;
  // The last 32 bits of a mapped address are those of the IPv4 address.
  const bits =
    isV4 && isIP(written) === 6 && prefix !== undefined ? Number(prefix) - 96 : Number(prefix ?? 128);
  const mostBits = isV4 ? 32 : 128;
  if (prefix !== undefined && (bits < 0 || bits > mostBits)) return null;
  return { address, prefixBits: Math.min(bits, mostBits), family: isV4 ? 'ipv4' : 'ipv6' };
}

/**
 * The address in a text, in the one spelling in which addresses are compared: without a port, brackets or a zone, IPv6
 * shortened, and IPv4 as such where it is mapped into IPv6. Null if there is no address in it.
 */
export function readAddress(text: string): string | null {
  const trimmed = text.trim();
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed) ?? [];
  const [, beforePort] = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(trimmed) ?? [];
  const [address = ''] = (bracketed ?? beforePort ?? trimmed).split('%');
  if (isIP(address) === 4) return address;
  if (isIP(address) === 0) return null;
  const short = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const bits = Number.parseInt(high, 16) * 2 ** 16 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

/**
 * The network that limits count as one client: an IPv4 address by itself, and of IPv6 the /64, within which a client chooses
 * its addresses freely.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [left = '', right] = address.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? [] : Array<string>(8 - head.length - tail.length).fill('0');
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}

/** Whether a host is this machine, as HOST and as URLs spell it. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
}
