import { sql } from 'drizzle-orm';
import { boolean, check, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './column.ts';

/** The copy of an embedded database that was made into this database: one row, or none if there was none. */
export const databaseCopies = pgTable(
  'database_copies',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    /** Digest of all rows of the embedded database, by which a later run knows that it has the same ones. */
    sourceDigest: text('source_digest').notNull(),
    /** The table whose rows are being copied. Tables are copied in the order of their names. Null before the first row. */
    tableName: text('table_name'),
    /** Primary key of the last row that was copied of that table, each column as text. */
    lastKey: text('last_key').array(),
    /** How many rows have been copied of all tables. */
    copiedRows: integer('copied_rows').notNull().default(0),
    startedAt: instant('started_at').notNull().defaultNow(),
    /** When every row had been compared. Null for a copy that is unfinished. */
    finishedAt: instant('finished_at'),
  },
  () => [check('database_copies_one_row', sql`is_only`)],
);
