import { pgTable, text } from 'drizzle-orm/pg-core';

/** For each migration that ran: the oldest program that may run on the database since. */
export const oldestPrograms = pgTable('oldest_programs', {
  migration: text('migration').primaryKey(),
  /** Name of the newest migration that this program knows. */
  program: text('program').notNull(),
});
