import { sql } from 'drizzle-orm';
import {
  check,
  doublePrecision,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
} from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { apiKeys } from './api-key.ts';
import { instant, tenantId } from './column.ts';
import { teams } from './team.ts';
import { workspaces } from './workspace.ts';

/** A model that a tenant can call. It outlives any one key: `apiKeyModels` has the keys that offer it at the moment. */
export const models = pgTable(
  'models',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('mdl')),
    workspaceId: text('workspace_id').references(() => workspaces.id, { onDelete: 'cascade' }),
    teamId: text('team_id').references(() => teams.id, { onDelete: 'cascade' }),
    /** The one of the two that owns the keys which list it. */
    tenantId: tenantId(),
    provider: text('provider').notNull(),
    baseUrl: text('base_url').notNull(),
    name: text('name').notNull(),
    title: text('title').notNull(),
    contextWindow: integer('context_window'),
    maxOutputTokens: integer('max_output_tokens'),
    capabilities: text('capabilities', { enum: ['IMAGE_INPUT', 'PDF_INPUT', 'REASONING', 'WEB_SEARCH'] })
      .array()
      .notNull(),
    /** US dollars per million tokens, as the provider lists them; null if it does not. */
    inputPrice: doublePrecision('input_price'),
    outputPrice: doublePrecision('output_price'),
    cachedInputPrice: doublePrecision('cached_input_price'),
    cacheWritePrice: doublePrecision('cache_write_price'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('models_one_owner', sql`num_nonnulls(workspace_id, team_id) = 1`),
    unique('models_identity').on(table.tenantId, table.provider, table.baseUrl, table.name),
  ],
);

/** Which keys offer which model; `position` is the model's place in the provider's own list. */
export const apiKeyModels = pgTable(
  'api_key_models',
  {
    apiKeyId: text('api_key_id')
      .notNull()
      .references(() => apiKeys.id, { onDelete: 'cascade' }),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.modelId] }),
    index('api_key_models_model_id').on(table.modelId),
  ],
);
