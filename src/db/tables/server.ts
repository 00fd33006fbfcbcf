import { pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './column.ts';

/** The servers that run on this database, one row each, and which root keys they hold. A row that is not renewed is dead. */
export const servers = pgTable('servers', {
  /** Made anew at every start. */
  id: text('id').primaryKey(),
  /** Host and process, for people. */
  name: text('name').notNull(),
  /** Ids of the root keys it holds. The first one seals. */
  rootIds: text('root_ids').array().notNull(),
  seenAt: instant('seen_at').notNull(),
});
