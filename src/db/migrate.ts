import { fileURLToPath } from 'node:url';
import type { PgliteDatabase } from 'drizzle-orm/pglite';
import { migrate as applyEmbedded } from 'drizzle-orm/pglite/migrator';
import { migrate as applyServer } from 'drizzle-orm/postgres-js/migrator';
import { Connection } from './connection.ts';
import { drizzleOver } from './driver.ts';

/** Brings the embedded database up to date. */
export async function migrateEmbedded(db: PgliteDatabase): Promise<void> {
  await applyEmbedded(db, { migrationsFolder });
}

/**
 * Brings a PostgreSQL server up to date. The lock is held from before the first look at what is applied until the end:
 * the migrator takes none, and two servers that start together would both run the same migration.
 */
export async function migrateServer(databaseUrl: string): Promise<void> {
  const connection = new Connection(databaseUrl, { replyWithinSeconds: PATIENCE_SECONDS });
  try {
    await connection.run((client) => client`select pg_advisory_lock(${MIGRATION_LOCK})`);
    await applyServer(
      drizzleOver((work) => work(connection)),
      { migrationsFolder },
    );
  } finally {
    await connection.close();
  }
}

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));
const MIGRATION_LOCK = 7_345_001; // any number, as long as nobody else on the same database uses it
const PATIENCE_SECONDS = 600; // a migration may rewrite a table, and another server may be at it first
