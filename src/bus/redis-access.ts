import { readFile } from 'node:fs/promises';
import { failureName, log } from '../log.ts';
import { isLoopbackHost } from '../networks.ts';
import { parseRedisUrl, type RedisSettings } from '../read-redis-settings.ts';
import { ConfigError } from '../read-setting.ts';
import { readSecret } from '../vault/secret-source.ts';

/** Where Redis is and how to be let in. Holds a password: not for the log. */
export interface RedisAccess {
  host: string;
  port: number;
  /** The certificates in PEM that the server's certificate is checked with, `default` for those of Node; null without TLS. */
  tls: { ca: string | 'default' } | null;
  username: string | undefined;
  password: string | undefined;
  database: number;
}

/**
 * Reads the files that the settings name. Warns in the log about a connection that others on the network can read. Throws
 * ConfigError and SecretSourceError.
 */
export async function loadRedisAccess(settings: RedisSettings): Promise<RedisAccess> {
  const found = await readSecret({
    name: 'REDIS_URL',
    value: settings.url,
    file: settings.file,
    inventedFile: '',
    mayInvent: false,
  });
  if (found === null) throw new ConfigError('REDIS_URL is not set.');
  const url = parseRedisUrl(found.place, found.text);
  const isTls = url.protocol === 'rediss:';
  if (!isTls && settings.caFile !== undefined)
    throw new ConfigError(
      `LATCHKEY_REDIS_CA_FILE is set, and ${found.place} begins with redis://, which is without TLS. Begin it with rediss://.`,
    );
  if (!isTls && !isLoopbackHost(url.hostname)) log.warn(PLAIN_SENTENCE);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6_379 : Number(url.port),
    tls: isTls ? { ca: settings.caFile === undefined ? 'default' : await readCa(settings.caFile) } : null,
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    database: Number(url.pathname.slice(1)),
  };
}

async function readCa(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError(
      `LATCHKEY_REDIS_CA_FILE names ${file}, which could not be read (${failureName(error)}).`,
    );
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new ConfigError(`LATCHKEY_REDIS_CA_FILE names ${file}, which holds no certificate in PEM.`);
}

const PLAIN_SENTENCE =
  'REDIS_URL begins with redis://, so the text of answers crosses the network in clear. Let Redis take TLS, and begin the URL with rediss://.';
