import { sql } from 'drizzle-orm';
import { boolean, check, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { bytes, instant, tenantId } from './column.ts';
import { teams } from './team.ts';
import { users } from './user.ts';
import { workspaces } from './workspace.ts';

/**
 * A provider key at rest. `rootId` to `tag` are the sealed record, bound to tenant, id, provider and base URL; the columns
 * after them are facts about its health, from which `status` is derived and never stored.
 */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('key')),
    workspaceId: text('workspace_id').references(() => workspaces.id, { onDelete: 'cascade' }),
    teamId: text('team_id').references(() => teams.id, { onDelete: 'cascade' }),
    /** The one of the two that owns the key. The sealed record is bound to it. */
    tenantId: tenantId(),
    provider: text('provider').notNull(),
    /** Place among the tenant's keys of this provider, in the order in which they are tried, from 1. */
    position: integer('position').notNull(),
    baseUrl: text('base_url').notNull(),
    label: text('label').notNull(),
    hint: text('hint'),

    rootId: text('root_id').notNull(),
    generation: integer('generation').notNull(),
    version: integer('version').notNull(),
    ciphertext: bytes('ciphertext').notNull(),
    tag: bytes('tag').notNull(),

    health: text('health', { enum: ['UNVERIFIED', 'ACTIVE', 'INVALID', 'EXPIRED', 'EXHAUSTED'] }).notNull(),
    healthReason: text('health_reason'),
    rateLimitedUntil: instant('rate_limited_until'),
    /** When the provider first refused it with a bare status, which does not prove that the key is bad; null for not at all. */
    refusedAt: instant('refused_at'),
    isEnabled: boolean('is_enabled').notNull().default(true),
    expiresAt: instant('expires_at'),
    needsReentry: boolean('needs_reentry').notNull().default(false),

    createdBy: text('created_by').references(() => users.id, { onDelete: 'set null' }),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastUsedAt: instant('last_used_at'),
    modelsRefreshedAt: instant('models_refreshed_at'),
    /** When the server next checks it by itself; null for not at all. */
    recheckAt: instant('recheck_at'),
    /** Number of consecutive checks without a result. */
    inconclusiveChecks: integer('inconclusive_checks').notNull().default(0),
  },
  (table) => [
    check('api_keys_one_owner', sql`num_nonnulls(workspace_id, team_id) = 1`),
    index('api_keys_owner_id').on(table.tenantId, table.provider, table.position),
    index('api_keys_recheck_at').on(table.recheckAt),
    // Rotation and the boot check look for rows by the root that sealed them.
    index('api_keys_root_id').on(table.rootId),
  ],
);

/** The newest generation of a tenant's sealing key pair; no row means generation 1. */
export const sealingGenerations = pgTable('sealing_generations', {
  tenantId: text('owner_id').primaryKey(),
  generation: integer('generation').notNull(),
});

/** Sealed submissions whose secret was stored, so that none is accepted twice. Rows are kept while the box is still valid. */
export const usedBoxes = pgTable(
  'used_boxes',
  {
    /** The workspace or team it was sealed for. */
    tenantId: text('owner_id').notNull(),
    /** Random, chosen by the client that sealed it. */
    boxId: text('box_id').notNull(),
    validUntil: instant('valid_until').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.boxId] }),
    index('used_boxes_valid_until').on(table.validUntil),
  ],
);
