import { fileURLToPath } from 'node:url';
import type { PgliteDatabase } from 'drizzle-orm/pglite';
import { migrate as applyEmbedded } from 'drizzle-orm/pglite/migrator';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate as applyServer } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';

/** Brings the embedded database up to date. */
export async function migrateEmbedded(db: PgliteDatabase): Promise<void> {
  await applyEmbedded(db, { migrationsFolder });
}

/**
 * Brings a PostgreSQL server up to date. The lock is held from before the first look at what is applied until the end:
 * the migrator takes none, and two servers that start together would both run the same migration.
 */
export async function migrateServer(databaseUrl: string): Promise<void> {
  const client = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await applyServer(drizzle({ client }), { migrationsFolder });
  } finally {
    await client.end({ timeout: 5 });
  }
}

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));
const MIGRATION_LOCK = 7_345_001; // any number, as long as nobody else on the same database uses it
