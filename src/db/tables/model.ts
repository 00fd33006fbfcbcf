import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { apiKeys } from './api-key.ts';
import { instant, tenantId } from './column.ts';
import { teams } from './team.ts';
import { users } from './user.ts';
import { workspaces } from './workspace.ts';

/**
 * A model that a tenant can call. It outlives any one key: `apiKeyModels` has the keys that offer it at the moment. A variant is a
 * row too, so that all that refers to a model can refer to one: it repeats the place and the facts of its base model, and no key
 * lists it, so it can be asked wherever its base model can.
 */
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
    /** The name of the model that the name stands for, as the provider's list says; null if it does not say. */
    standsFor: text('stands_for'),
    contextWindow: integer('context_window'),
    maxOutputTokens: integer('max_output_tokens'),
    capabilities: text('capabilities', { enum: ['IMAGE_INPUT', 'PDF_INPUT', 'REASONING', 'WEB_SEARCH'] })
      .array()
      .notNull(),
    /** The price as the provider's list states it; null if it states none. */
    listedPrice: jsonb('listed_price').$type<StoredPrice>(),
    /** The same four prices as numbers, written for programs from before `listedPrice`, which may run on the same database. */
    inputPrice: doublePrecision('input_price'),
    outputPrice: doublePrecision('output_price'),
    cachedInputPrice: doublePrecision('cached_input_price'),
    cacheWritePrice: doublePrecision('cache_write_price'),
    /** What the provider's list says about the options of an answer; null if it says nothing. */
    optionFacts: jsonb('option_facts').$type<StoredOptionFacts>(),
    /** When the provider shuts the model down, as its list says. */
    shutdownAt: instant('shutdown_at'),
    /** The name of the model that the provider's list names as the replacement, which need not be known here. */
    replacementName: text('replacement_name'),
    createdAt: instant('created_at').notNull().defaultNow(),

    /** The model that a variant is made from; null for a base model. */
    baseModelId: text('base_model_id').references((): AnyPgColumn => models.id, { onDelete: 'cascade' }),
    /**
     * The id of a variant; empty for a base model, of which there is one in each place. Not a partial index instead: without
     * statistics the planner takes base models for few, and compares thousands pair by pair.
     */
    variantId: text('variant_id')
      .notNull()
      .generatedAlwaysAs(sql`case when base_model_id is null then '' else id end`),
    /** The person whose own variant it is; null for a variant for everybody in the workspace, and for a base model. */
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** The options of a variant, without those that are left to the provider. */
    options: jsonb('options').$type<StoredOptions>(),
    /** When a person last changed the variant, or added the model by its name. */
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    check('models_one_owner', sql`num_nonnulls(workspace_id, team_id) = 1`),
    unique('models_identity').on(table.tenantId, table.provider, table.baseUrl, table.name, table.variantId),
    uniqueIndex('models_title_for_everybody')
      .on(table.tenantId, table.title)
      .where(sql`base_model_id is not null and user_id is null`),
    uniqueIndex('models_title_for_user')
      .on(table.tenantId, table.userId, table.title)
      .where(sql`user_id is not null`),
    index('models_base_model_id').on(table.baseModelId),
    index('models_user_id').on(table.userId),
  ],
);

/** Options of an answer or a variant, without those that are left to the provider. */
export interface StoredOptions {
  systemPrompt?: string;
  effort?: 'NONE' | 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH' | 'XHIGH' | 'MAX';
  temperature?: number;
  topP?: number;
  maxOutputTokens?: number;
  stop?: readonly string[];
  webSearch?: boolean;
}

/** See `ModelPrice` in `providers/price`. */
export interface StoredPrice extends StoredTokenPrices {
  webSearchPer1000: string | null;
  tiers: readonly (StoredTokenPrices & { above: number })[];
}

interface StoredTokenPrices {
  input: string;
  output: string;
  cachedInput: string | null;
  cacheWrite: string | null;
  cacheWrite1h: string | null;
}

/** See `OptionFacts` in `providers/options`. */
export interface StoredOptionFacts {
  efforts: readonly NonNullable<StoredOptions['effort']>[] | null;
  defaultEffort: NonNullable<StoredOptions['effort']> | null;
  maxTemperature: number | null;
  parameters: readonly string[] | null;
  thinking: readonly string[] | null;
}

/** Which keys offer which model, because the provider lists it or because a person added it by name. */
export const apiKeyModels = pgTable(
  'api_key_models',
  {
    apiKeyId: text('api_key_id')
      .notNull()
      .references(() => apiKeys.id, { onDelete: 'cascade' }),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id, { onDelete: 'cascade' }),
    /** Place of the model in the provider's own list; null if it is not listed. */
    position: integer('position'),
    /** Whether a person added it: then it stays when the provider does not list it. */
    isAdded: boolean('is_added').notNull().default(false),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.modelId] }),
    index('api_key_models_model_id').on(table.modelId),
  ],
);

/** How a model is shown to one person, or to everybody who has no preference of their own. Null for no preference. */
export const modelPreferences = pgTable(
  'model_preferences',
  {
    modelId: text('model_id')
      .notNull()
      .references(() => models.id, { onDelete: 'cascade' }),
    /** Null for everybody. */
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** The user id or `everybody`, since a primary key contains no null, and rows are copied by columns that are stored. */
    forWhom: text('for_whom').notNull(),
    isFavorite: boolean('is_favorite'),
    isHidden: boolean('is_hidden'),
  },
  (table) => [
    primaryKey({ columns: [table.modelId, table.forWhom] }),
    check('model_preferences_for_whom', sql`for_whom = coalesce(user_id, 'everybody')`),
    index('model_preferences_user_id').on(table.userId),
  ],
);
