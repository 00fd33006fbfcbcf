import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { PLANS } from '../../plans-and-roles.ts';
import { instant } from './column.ts';

/** The servers that run on this database, one row each, and the root keys they hold. A row that is not renewed has expired. */
export const servers = pgTable('servers', {
  /** New at every start. */
  id: text('id').primaryKey(),
  /** Host and process, for people. */
  name: text('name').notNull(),
  /** Ids of the root keys it holds. The first one seals. */
  rootIds: text('root_ids').array().notNull(),
  seenAt: instant('seen_at').notNull(),
  /** Name of the newest migration that its program knows. Null for a program that did not record it yet: older than all others. */
  program: text('program'),
});

/** Settings that queries need: one row, inserted by a migration and updated at every start. */
export const settings = pgTable(
  'settings',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    /** The plan of payers that have none of their own. */
    defaultPlan: text('default_plan', { enum: PLANS }).notNull(),
  },
  () => [check('settings_one_row', sql`is_only`)],
);
