import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openDatabase, openEmbedded } from '../src/db/database.ts';
import { engineOf } from './kit/engine.ts';
import { redisVersion } from './kit/redis.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** File that holds an embedded database with all migrations applied. */
    templateFile: string;
    /** Folder in which the processes of a run keep what they compiled. */
    compileCache: string;
    /** PostgreSQL server to test on; undefined for the embedded database. */
    postgresUrl: string | undefined;
    /** Redis server to test on; undefined if none answers. */
    redisUrl: string | undefined;
    /** Database on that server with all migrations applied, from which others are made. */
    templateDatabase: string;
    /** Names of databases made on that server begin with it. */
    databasePrefix: string;
  }
}

/**
 * Migrates one embedded database and hands it to the workers as a file: loading it takes a fifth of making it. On a server
 * it migrates one there too, since a copy of that takes an eighth of migrating another.
 */
export default async function setUp(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  const client = await PGlite.create();
  const embedded = await openEmbedded(engineOf(client));
  const templateFile = join(folder, 'template.tar');
  writeFileSync(templateFile, Buffer.from(await (await client.dumpDataDir('none')).arrayBuffer()));
  await embedded.close();

  const postgresUrl = process.env.LATCHKEY_TEST_DATABASE_URL;
  const databasePrefix = `latchkey_test_${randomBytes(4).toString('hex')}_`;
  const templateDatabase = `${databasePrefix}template`;
  if (postgresUrl !== undefined) await makeTemplate(postgresUrl, templateDatabase);
  project.provide('templateFile', templateFile);
  project.provide('templateDatabase', templateDatabase);
  project.provide('compileCache', join(folder, 'compiled'));
  project.provide('postgresUrl', postgresUrl);
  project.provide('databasePrefix', databasePrefix);
  const redis = await findRedis();
  project.provide('redisUrl', redis?.url);
  const engine = postgresUrl === undefined ? embedded.engine : await serverEngine(postgresUrl);
  process.stdout.write(
    `Testing on ${engine}, ${redis === null ? 'without Redis' : `and Redis ${redis.version}`}\n`,
  );
  return async () => {
    rmSync(folder, { recursive: true });
    if (postgresUrl !== undefined) await dropDatabases(postgresUrl, databasePrefix);
  };
}

/** The Redis that is named, or else one on this machine. Tests flush nothing there and keep to names of their own. */
async function findRedis(): Promise<{ url: string; version: string } | null> {
  const named = process.env.LATCHKEY_TEST_REDIS_URL;
  const url = named ?? 'redis://127.0.0.1:6379';
  const version = await redisVersion(url);
  if (version !== null) return { url, version };
  if (named === undefined) return null;
  throw new Error('LATCHKEY_TEST_REDIS_URL names a Redis that does not answer.');
}

async function serverEngine(url: string): Promise<string> {
  return await withServer(url, async (client) => {
    const [row] = await client`show server_version`;
    return `PostgreSQL ${row?.server_version} (server)`;
  });
}

async function makeTemplate(serverUrl: string, name: string): Promise<void> {
  await withServer(serverUrl, async (client) => await client`create database ${client(name)}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const migrated = await openDatabase({ databaseUrl: url.href, dataDir: '' });
  await migrated.close();
}

async function dropDatabases(url: string, prefix: string): Promise<void> {
  await withServer(url, async (client) => {
    const rows = await client`select datname from pg_database where starts_with(datname, ${prefix})`;
    for (const { datname } of rows) await client`drop database ${client(datname)} with (force)`;
  });
}

async function withServer<Result>(
  url: string,
  use: (client: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const client = postgres(url, { max: 1 });
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
