import { integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { bytes } from './column.ts';

/**
 * The audit log of one tenant (a workspace or a team), which outlives the tenant. `rootId` to `tag` hold the random key of its
 * hash chain, sealed like a provider key, so that the chain survives a new root key.
 */
export const auditChains = pgTable('audit_chains', {
  tenantId: text('owner_id').primaryKey(),
  rootId: text('root_id').notNull(),
  generation: integer('generation').notNull(),
  version: integer('version').notNull(),
  ciphertext: bytes('ciphertext').notNull(),
  tag: bytes('tag').notNull(),
  /** How many entries there are. */
  length: integer('length').notNull(),
  /** The hash of the last entry. */
  head: bytes('head').notNull(),
});

/** One recorded action. `content` is the JSON text that was hashed, byte for byte; readers parse it. */
export const auditEntries = pgTable(
  'audit_entries',
  {
    tenantId: text('owner_id').notNull(),
    /** Its place in the chain, from 1. */
    position: integer('position').notNull(),
    content: text('content').notNull(),
    hash: bytes('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.position] })],
);
