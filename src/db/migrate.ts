import { pgSchema, text } from 'drizzle-orm/pg-core';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { Connection } from './connection.ts';
import { refuseUnfinishedCopy } from './copy/unfinished-copy.ts';
import { drizzleOver } from './driver.ts';
import { ifTableExists } from './if-table-exists.ts';
import { type Migration, migrationsFolder, readMigrations } from './migration-file.ts';
import { recordOldestPrograms, refuseNewerDatabase, refuseOlderServers } from './oldest-program.ts';

/**
 * Migrates a database that nothing else uses or migrates meanwhile. `report` receives a sentence for each migration that ran.
 * Refuses a database of a newer program that does not allow this one. Throws NewerDatabaseError.
 */
export async function migrateDatabase(db: PostgresJsDatabase, report: Report): Promise<void> {
  const state = await readState(db);
  await refuseNewerDatabase(db, state);
  await migrate(db, { migrationsFolder });
  await recordOldestPrograms(db, state.known);
  for (const { name } of state.pending) report(`The migration ${name} was applied to the database.`);
}

/**
 * Migrates a PostgreSQL server. An advisory lock is held from before the applied migrations are read until the end: Drizzle's
 * migrator takes none, and two servers that start together would both run the same migration. Throws NewerDatabaseError,
 * OlderServerError and UnfinishedCopyError.
 */
export async function migrateServer(databaseUrl: string, report: Report): Promise<void> {
  await withMigrationLock(databaseUrl, async (db) => {
    await refuseUnfinishedCopy(db);
    await refuseOlderServers(db, (await readState(db)).pending);
    await migrateDatabase(db, report);
  });
}

/**
 * Refuses a PostgreSQL server that was migrated while this program started. To be called once this server is recorded as running:
 * whoever migrates later finds that record, and whoever migrates now holds the lock. Throws NewerDatabaseError.
 */
export async function confirmProgram(databaseUrl: string): Promise<void> {
  await withMigrationLock(databaseUrl, async (db) => refuseNewerDatabase(db, await readState(db)));
}

/** Whether exactly the migrations that this program knows ran on the database. */
export async function isMigrated(db: Pick<PostgresJsDatabase, 'select'>): Promise<boolean> {
  const { applied, known, pending } = await readState(db);
  return pending.length === 0 && applied.length === known.length;
}

/** Receives sentences for the operator. */
export type Report = (sentence: string) => void;

async function withMigrationLock(
  databaseUrl: string,
  work: (db: PostgresJsDatabase) => Promise<void>,
): Promise<void> {
  const connection = new Connection(databaseUrl, { replyWithinSeconds: PATIENCE_SECONDS });
  try {
    await connection.run((client) => client`select pg_advisory_lock(${MIGRATION_LOCK})`);
    await work(drizzleOver((send) => send(connection)));
  } finally {
    await connection.close();
  }
}

interface MigrationState {
  known: readonly Migration[];
  /** Names of those that ran on the database, none if it is new. */
  applied: readonly string[];
  /** Those that this program knows and that did not run. */
  pending: readonly Migration[];
}

async function readState(db: Pick<PostgresJsDatabase, 'select'>): Promise<MigrationState> {
  const known = readMigrations();
  const rows = await ifTableExists(
    db.select({ name: appliedMigrations.name }).from(appliedMigrations).execute(),
    [],
  );
  const applied = rows.map(({ name }) => name);
  return { known, applied, pending: known.filter(({ name }) => !applied.includes(name)) };
}

/** The table in which Drizzle's migrator records what it has applied. */
const appliedMigrations = pgSchema('drizzle').table('__drizzle_migrations', { name: text('name').notNull() });

const MIGRATION_LOCK = 7_345_001; // any number that no other program on the same database uses
const PATIENCE_SECONDS = 600; // a migration may rewrite a table, and another server may be migrating first
