import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { PLANS } from '../../plans-and-roles.ts';
import { instant } from './column.ts';

/**
 * The servers that run on this database, one row each. A row is a lease: whatever its server writes for answers holds only while
 * `endedAt` is null, and only others may set `endedAt` once `leaseUntil` has passed. All times are the database's.
 */
export const servers = pgTable('servers', {
  /** Never used twice: a server whose lease was ended by another continues under a new id. */
  id: text('id').primaryKey(),
  /** Host and process, for people. */
  name: text('name').notNull(),
  /** Ids of the root keys it holds. The first one seals. */
  rootIds: text('root_ids').array().notNull(),
  /** Hash of the secret that signs sessions. */
  authCheck: text('auth_check').notNull(),
  startedAt: instant('started_at').notNull().defaultNow(),
  /** Not indexed: an index would make every renewal a new index entry. */
  leaseUntil: instant('lease_until').notNull(),
  /** When it stopped, or another server found that its lease had run out. */
  endedAt: instant('ended_at'),
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
    /** Names the servers of this database among others that use the same Redis. */
    installationId: text('installation_id').notNull().default(sql`gen_random_uuid()::text`),
  },
  () => [check('settings_one_row', sql`is_only`)],
);
