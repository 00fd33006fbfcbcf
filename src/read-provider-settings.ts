import { ConfigError } from './read-setting.ts';

/** Base URLs that replace the published ones, by provider name. Throws ConfigError. */
export function readProviderUrls(text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  const help = 'Write JSON like {"OPENAI":"https://gateway.example.com/v1"}.';
  let urls: unknown;
  try {
    urls = JSON.parse(text);
  } catch {
    throw new ConfigError(`LATCHKEY_PROVIDER_URLS is not JSON. ${help}`);
  }
  if (typeof urls !== 'object' || urls === null || Array.isArray(urls))
    throw new ConfigError(`LATCHKEY_PROVIDER_URLS is not a JSON object. ${help}`);
  return Object.fromEntries(
    Object.entries(urls).map(([provider, url]) => {
      if (!OVERRIDABLE.includes(provider))
        throw new ConfigError(
          `LATCHKEY_PROVIDER_URLS names "${provider}". It may name: ${OVERRIDABLE.join(', ')}.`,
        );
      if (typeof url !== 'string' || !URL.canParse(url) || !/^https?:/.test(url))
        throw new ConfigError(`LATCHKEY_PROVIDER_URLS has no http(s) URL for ${provider}. ${help}`);
      const { username, password } = new URL(url);
      // A path is appended to it, which a query or fragment would swallow; a password would not be sent and would get into logs.
      if (/[?#]/.test(url) || username !== '' || password !== '')
        throw new ConfigError(
          `LATCHKEY_PROVIDER_URLS has a query, a fragment or a user name in the URL for ${provider}. Leave it out. ${help}`,
        );
      return [provider, url.replace(/\/+$/, '')];
    }),
  );
}

/** A `host:port` pair, spelled as the URL of a key will spell it: hosts are compared as text. Throws ConfigError. */
export function checkPrivateHost(text: string): string {
  const [, name = '', port = ''] = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5})$/i.exec(text) ?? [];
  const host = URL.parse(`http://${name}`)?.hostname.replace(/\.$/, '');
  if (host && Number(port) >= 1 && Number(port) <= 65_535) return `${host}:${Number(port)}`;
  throw new ConfigError(
    `LATCHKEY_ALLOWED_PRIVATE_HOSTS has "${text}". Write host:port, e.g. 127.0.0.1:11434 or [::1]:8080.`,
  );
}

/** Providers whose base URL can be replaced; a CUSTOM key has its own. */
const OVERRIDABLE = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'MISTRAL', 'PERPLEXITY', 'XAI', 'NOVITA'];
