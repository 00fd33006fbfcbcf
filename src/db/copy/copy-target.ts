import { sql } from 'drizzle-orm';
import { Connection } from '../connection.ts';
import type { Database } from '../database.ts';
import { drizzleOver } from '../driver.ts';
import { isMigrated, migrateServer, type Report } from '../migrate.ts';
import { databaseCopies } from '../tables/database-copy.ts';
import { FILLED_BY_MIGRATIONS, findFilledTable, printAlike } from './table-shape.ts';
import { type DatabaseCopy, readCopy } from './unfinished-copy.ts';

/** The databases do not allow this copy. The message says why and what to do. */
export class CopyRefusedError extends Error {
  override readonly name = 'CopyRefusedError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h
}

/** A database into which the embedded one is copied. */
export interface CopyTarget {
  db: Database;
  close(): Promise<void>;
}

/**
 * Opens a PostgreSQL database that is empty, and migrates it, or one with an unfinished copy of the same version. Changes nothing
 * in any other. The caller has locked it against servers. Throws CopyRefusedError.
 */
export async function openCopyTarget(databaseUrl: string, report: Report): Promise<CopyTarget> {
  const connection = new Connection(databaseUrl, { replyWithinSeconds: PATIENCE_SECONDS });
  try {
    const db = drizzleOver((work) => work(connection));
    await printAlike(db);
    const copy = await readCopy(db);
    if (copy === null) await requireEmpty(db);
    else if (copy.finishedAt !== null) throw new CopyRefusedError(finishedSentence(copy.finishedAt));
    else if (!(await isMigrated(db))) throw new CopyRefusedError(OTHER_SOURCE_SENTENCE);
    if (copy === null) await migrateServer(databaseUrl, report);
    await requireThisVersion(db);
    return { db, close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Refuses a database with migrations that this program does not know, even if they allow it to run. Throws CopyRefusedError. */
export async function requireThisVersion(db: Pick<Database, 'select'>): Promise<void> {
  if (!(await isMigrated(db)))
    throw new CopyRefusedError('A newer Latchkey has migrated one of the two databases. Copy with that one.');
}

/**
 * Begins the copy of a database, or goes on with one that was begun of the same rows. Until it is finished, the target has no
 * foreign keys: rows refer to rows of tables that come later, and to later rows of their own table. Throws CopyRefusedError.
 */
export async function beginCopy(db: Database, sourceDigest: string): Promise<DatabaseCopy> {
  const begun = await readCopy(db);
  if (begun !== null && begun.sourceDigest !== sourceDigest)
    throw new CopyRefusedError(OTHER_SOURCE_SENTENCE);
  if (begun !== null) return begun;
  const foreignKeys = await readForeignKeys(db);
  return await db.transaction(async (tx) => {
    for (const { table, name } of foreignKeys)
      await tx.execute(sql`alter table ${sql.raw(table)} drop constraint ${sql.identifier(name)}`);
    for (const table of FILLED_BY_MIGRATIONS) await tx.execute(sql`delete from ${sql.identifier(table)}`);
    const [copy] = await tx.insert(databaseCopies).values({ sourceDigest }).returning();
    if (copy === undefined) throw new Error('the beginning of a copy was not recorded');
    return copy;
  });
}

/** Adds the foreign keys, which PostgreSQL checks against every row, and marks the copy as finished. */
export async function finishCopy(db: Database, foreignKeys: readonly ForeignKey[]): Promise<void> {
  await db.transaction(async (tx) => {
    for (const { table, name, definition } of foreignKeys)
      await tx.execute(
        sql`alter table ${sql.raw(table)} add constraint ${sql.identifier(name)} ${sql.raw(definition)}`,
      );
    await tx.update(databaseCopies).set({ finishedAt: sql`now()` });
  });
  await db.execute(sql`analyze`); // so that the first server plans its queries for these tables and not for empty ones
}

/** The foreign keys of a database, as PostgreSQL writes them. */
export async function readForeignKeys(db: Database): Promise<ForeignKey[]> {
  return await db
    .select({
      table: sql<string>`conrelid::regclass::text`,
      name: sql<string>`conname`,
      definition: sql<string>`pg_get_constraintdef(oid)`,
    })
    .from(sql`pg_constraint`)
    .where(sql`contype = 'f' and connamespace = 'public'::regnamespace`)
    .orderBy(sql`conname`);
}

export interface ForeignKey {
  /** Quoted where it needs to be. */
  table: string;
  name: string;
  definition: string;
}

async function requireEmpty(db: Database): Promise<void> {
  const table = await findFilledTable(db);
  if (table === null) return;
  throw new CopyRefusedError(
    `The target holds data already, in the table ${table}. Name an empty database. Nothing was changed.`,
  );
}

function finishedSentence(finishedAt: Date): string {
  return (
    `A copy into this target was finished at ${finishedAt.toISOString()}. Start Latchkey on it, or name an empty database. ` +
    'Nothing was changed.'
  );
}

const OTHER_SOURCE_SENTENCE =
  'The target has an unfinished copy of other rows: of another data folder, of this one before it was used again, or by another ' +
  'version of Latchkey. Name an empty database. Nothing was changed.';

const PATIENCE_SECONDS = 3_600; // one statement sorts, or checks the foreign keys of, a whole table
