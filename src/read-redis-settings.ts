import { ConfigError, isPercentEncoded, readUrl } from './read-setting.ts';

/** The Redis or Valkey through which several servers work together. `url` and `file` exclude each other. */
export interface RedisSettings {
  /** REDIS_URL, which may hold a password. */
  url: string | undefined;
  /** Path of the file that holds the URL. */
  file: string | undefined;
  /** Path of the PEM file with the certificates that the server's certificate is checked with; undefined for those of Node. */
  caFile: string | undefined;
}

/** Undefined for a lone server. Throws ConfigError; files are read where they are used. */
export function readRedisSettings(
  settings: RedisSettings,
  databaseUrl: string | undefined,
): RedisSettings | undefined {
  const { url, file, caFile } = settings;
  if (url === undefined && file === undefined) {
    if (caFile === undefined) return undefined;
    throw new ConfigError(
      'LATCHKEY_REDIS_CA_FILE is set without REDIS_URL. Set REDIS_URL to a rediss:// URL.',
    );
  }
  if (url !== undefined && file !== undefined)
    throw new ConfigError('REDIS_URL and REDIS_URL_FILE are both set. Keep one of them.');
  if (databaseUrl === undefined)
    throw new ConfigError(
      `${url === undefined ? 'REDIS_URL_FILE' : 'REDIS_URL'} is set without DATABASE_URL. ` +
        'It is for several servers, which share a PostgreSQL server: set DATABASE_URL too, or leave it out.',
    );
  if (url !== undefined) parseRedisUrl('REDIS_URL', url);
  return settings;
}

/** A URL of a Redis server, found in the setting or file `place`. Throws ConfigError. */
export function parseRedisUrl(place: string, text: string): URL {
  const url = new URL(readUrl(place, text, ['redis:', 'rediss:']) ?? '');
  // The sentences quote nothing of the URL, since it may hold a password.
  const help = 'Write it like rediss://user:password@redis.example.com:6379/0 or redis://127.0.0.1:6379.';
  if (url.hostname === '') throw new ConfigError(`${place} names no host. ${help}`);
  if (!/^\/?\d{0,5}$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw new ConfigError(
      `${place} has a path that is not the number of a database, a query or a fragment. ${help}`,
    );
  if (!isPercentEncoded(url.username) || !isPercentEncoded(url.password))
    throw new ConfigError(`${place} has a % in its user or password. Write it as %25.`);
  return url;
}
