import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { pgSchema, text } from 'drizzle-orm/pg-core';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { failureCode } from '../log.ts';
import { Connection } from './connection.ts';
import { refuseUnfinishedCopy } from './copy/unfinished-copy.ts';
import { drizzleOver } from './driver.ts';

/**
 * Migrates a database that nothing else migrates meanwhile. `report` receives a sentence for each migration that ran. Refuses a
 * database of a newer program, which may have moved or removed columns that this one uses. Throws NewerDatabaseError.
 */
export async function migrateDatabase(db: PostgresJsDatabase, report: Report): Promise<void> {
  const known = knownMigrations();
  const applied = await readApplied(db);
  const unknown = applied.filter((name) => !known.includes(name)).toSorted();
  const newest = unknown.at(-1);
  if (newest !== undefined) throw new NewerDatabaseError(newest, known.at(-1) ?? 'none');
  await migrate(db, { migrationsFolder });
  for (const name of known)
    if (!applied.includes(name)) report(`The migration ${name} was applied to the database.`);
}

/**
 * Migrates a PostgreSQL server. An advisory lock is held from before the applied migrations are read until the end: Drizzle's
 * migrator takes none, and two servers that start together would both run the same migration. Throws NewerDatabaseError and UnfinishedCopyError.
 */
export async function migrateServer(databaseUrl: string, report: Report): Promise<void> {
  const connection = new Connection(databaseUrl, { replyWithinSeconds: PATIENCE_SECONDS });
  try {
    await connection.run((client) => client`select pg_advisory_lock(${MIGRATION_LOCK})`);
    const db = drizzleOver((work) => work(connection));
    await refuseUnfinishedCopy(db);
    await migrateDatabase(db, report);
  } finally {
    await connection.close();
  }
}

/** Whether exactly the migrations that this program knows ran on the database. */
export async function isMigrated(db: PostgresJsDatabase): Promise<boolean> {
  const applied = new Set(await readApplied(db));
  const known = knownMigrations();
  return applied.size === known.length && known.every((name) => applied.has(name));
}

/** Receives sentences for the operator. */
export type Report = (sentence: string) => void;

/** The database has a migration that this program does not know. The message names the newest one of both. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor(inDatabase: string, inProgram: string) {
    super(
      `The database belongs to a newer Latchkey: it has the migration ${inDatabase}, and the newest one that this Latchkey knows ` +
        `is ${inProgram}. Start the newer Latchkey, or restore the backup that was made before the upgrade. Nothing was changed.`,
    );
  }
}

function knownMigrations(): string[] {
  return readMigrationFiles({ migrationsFolder }).map(({ name }) => name);
}

/** The names of the migrations that ran on this database, none if it is new. */
async function readApplied(db: PostgresJsDatabase): Promise<string[]> {
  try {
    return (await db.select({ name: appliedMigrations.name }).from(appliedMigrations)).map(
      ({ name }) => name,
    );
  } catch (error) {
    if (failureCode(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}

/** The table in which Drizzle's migrator records what it has applied. */
const appliedMigrations = pgSchema('drizzle').table('__drizzle_migrations', { name: text('name').notNull() });

const UNDEFINED_TABLE = '42P01';
const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));
const MIGRATION_LOCK = 7_345_001; // any number that no other program on the same database uses
const PATIENCE_SECONDS = 600; // a migration may rewrite a table, and another server may be migrating first
