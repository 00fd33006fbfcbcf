import { Networks, parseNetwork } from './networks.ts';

/** A setting that cannot be used. The message says which, and what to write instead. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h
}

/** A port; 0 for any that is free. */
export function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new ConfigError(`PORT is not a port: "${text}". Set a number from 0 to 65535.`);
}

/** A whole number from 1 on. */
export function readCount(
  name: string,
  text: string | undefined,
  fallback: number,
  most = 1_000_000,
): number {
  if (text === undefined) return fallback;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= most) return count;
  throw new ConfigError(`${name} is "${text}". Set a whole number from 1 to ${most}.`);
}

/** A URL with one of the protocols, e.g. `https:`. */
export function readUrl(
  name: string,
  text: string | undefined,
  protocols: readonly string[],
): string | undefined {
  if (text === undefined) return undefined;
  // The text itself may hold a password, so the sentence does not repeat it.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol))
    throw new ConfigError(`${name} is not a URL that begins with ${protocols.join('// or ')}//.`);
  return text;
}

/** An origin of the web, or of an app whose pages have a scheme of their own. */
export function readOrigin(name: string, text: string, mayBeApp: boolean): string {
  const help = mayBeApp ? 'https://chat.example.com or capacitor://localhost' : 'https://chat.example.com';
  // better-auth would read it as a pattern, and the rest of the server as the name of a host.
  if (text.includes('*'))
    throw new ConfigError(`${name} has a wildcard: "${text}". Name every origin in full, like ${help}.`);
  const { protocol = '', host = '' } = URL.parse(text) ?? {};
  const origin = `${protocol}//${host}`;
  if (host !== '' && origin === text.replace(/\/$/, '') && (mayBeApp || /^https?:$/.test(protocol)))
    return origin;
  throw new ConfigError(`${name} is not an origin: "${text}". Write it like ${help}, without a path.`);
}

/** One of a few words. */
export function readChoice<Choice extends string>(
  name: string,
  text: string | undefined,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  if (text === undefined) return fallback;
  const choice = choices.find((known) => known === text);
  if (choice !== undefined) return choice;
  throw new ConfigError(`${name} is "${text}". Set one of: ${choices.join(', ')}.`);
}

/** `on` or `off`. */
export function readSwitch(name: string, text: string | undefined, fallback: boolean): boolean {
  return readChoice(name, text, ['on', 'off'], fallback ? 'on' : 'off') === 'on';
}

/** The parts of a comma-separated list, without blanks. */
export function readList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Addresses and networks, separated by commas. */
export function readNetworks(name: string, text: string | undefined): Networks {
  return new Networks(
    readList(text).map((entry) => {
      const network = parseNetwork(entry);
      if (network !== null) return network;
      throw new ConfigError(
        `${name} has "${entry}". Write IP addresses or networks, e.g. 10.0.0.2, 10.0.0.0/8 or fd00::/8.`,
      );
    }),
  );
}

/** Whether the user or password of a URL can be decoded. */
export function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
