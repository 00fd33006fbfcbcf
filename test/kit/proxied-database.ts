import postgres from 'postgres';
import { inject } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { createDatabase } from './database.ts';
import { startDatabaseProxy } from './database-proxy.ts';

/** A database of its own behind a way that breaks, with a table made by this statement, and a second way in that does not break. */
export async function openProxied(createTable: string) {
  const databaseUrl = await createDatabase(inject('postgresUrl') ?? '');
  const proxy = await startDatabaseProxy(databaseUrl);
  const opened = await openDatabase({ databaseUrl: proxy.url, dataDir: '' });
  const beside = postgres(databaseUrl, { max: 4, onnotice: () => {} });
  await beside.unsafe(createTable);
  return {
    ...{ db: opened.db, proxy, beside },
    async [Symbol.asyncDispose]() {
      await opened.close();
      await beside.end();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
