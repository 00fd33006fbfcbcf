import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { ifTableExists } from '../if-table-exists.ts';
import { databaseCopies } from '../tables/database-copy.ts';

/** The database is the target of a copy that is not finished. The message says what to do. */
export class UnfinishedCopyError extends Error {
  override readonly name = 'UnfinishedCopyError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor() {
    super(
      'This database is an unfinished copy of an embedded one. Run database copy again until it says that the copy is finished, ' +
        'or use an empty database.',
    );
  }
}

/** Refuses a database into which rows have been copied only in part. Throws UnfinishedCopyError. */
export async function refuseUnfinishedCopy(db: Pick<PostgresJsDatabase, 'select'>): Promise<void> {
  const copy = await readCopy(db);
  if (copy !== null && copy.finishedAt === null) throw new UnfinishedCopyError();
}

/** The copy that was made into this database. Null if there was none, also where there is no table for it yet. */
export async function readCopy(db: Pick<PostgresJsDatabase, 'select'>): Promise<DatabaseCopy | null> {
  const [copy] = await ifTableExists(db.select().from(databaseCopies), []);
  return copy ?? null;
}

export type DatabaseCopy = typeof databaseCopies.$inferSelect;
