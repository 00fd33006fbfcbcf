import { isDeepStrictEqual } from 'node:util';
import { and, asc, eq, isNotNull, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { newId } from '../db/id.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import { cleanCount, cleanDate, sanitizeText } from '../providers/wire/clean-facts.ts';
import { tenantColumns } from '../workspaces/tenant.ts';
import { BASE_IDENTITY, updateVariants } from './base-facts.ts';
import type { ListEntry } from './list-change.ts';

/**
 * Saves the provider's list, cleaned by `cleanModels`, as the models of this key: known ones keep their id, missing ones are no
 * longer offered, apart from those that a person added. Writes nothing if the list is unchanged, as after nearly every check.
 */
export async function saveKeyModels(
  tx: SavingTransaction,
  key: { id: string; tenantId: string; provider: ProviderName; baseUrl: string },
  listed: readonly ListedModel[],
): Promise<SavedList> {
  const current = listed.map((model) => factsOf(key, model));
  const known = await tx
    .select(factColumns)
    .from(apiKeyModels)
    .innerJoin(models, eq(models.id, apiKeyModels.modelId))
    .where(and(eq(apiKeyModels.apiKeyId, key.id), isNotNull(apiKeyModels.position)))
    .orderBy(asc(apiKeyModels.position));
  if (isDeepStrictEqual(known, current)) return { hasChanged: false, before: known };

  const isOfKey = eq(apiKeyModels.apiKeyId, key.id);
  await tx.delete(apiKeyModels).where(and(isOfKey, eq(apiKeyModels.isAdded, false)));
  await tx.update(apiKeyModels).set({ position: null }).where(isOfKey);
  if (current.length === 0) return { hasChanged: true, before: known };
  const saved = await saveModels(tx, key.tenantId, current);
  const positions = new Map(current.map((model, position) => [model.name, position]));
  await tx
    .insert(apiKeyModels)
    .values(
      saved.map(({ id, name }) => ({ apiKeyId: key.id, modelId: id, position: positions.get(name) ?? 0 })),
    )
    .onConflictDoUpdate({
      target: [apiKeyModels.apiKeyId, apiKeyModels.modelId],
      set: { position: sql`excluded.position` },
    });
  return { hasChanged: true, before: known };
}

/** What saving a list came upon. */
export interface SavedList {
  /** Whether the list differs from the one before, be it in the order or in a fact about a model. */
  hasChanged: boolean;
  /** The models of the list before; empty for the first list of a key. */
  before: readonly ListEntry[];
}

type SavingTransaction = Pick<Database, 'select' | 'insert' | 'update' | 'delete'>;

/** Saves these models of a tenant, and their facts for the variants made from them. Known ones keep their id. */
async function saveModels(
  tx: SavingTransaction,
  tenantId: string,
  current: readonly Facts[],
): Promise<{ id: string; name: string }[]> {
  const saved = await tx
    .insert(models)
    .values(inLockOrder(current).map((model) => ({ ...model, ...tenantColumns(tenantId) })))
    .onConflictDoUpdate({
      target: BASE_IDENTITY,
      set: {
        title: sql`excluded.title`,
        standsFor: sql`excluded.stands_for`,
        contextWindow: sql`excluded.context_window`,
        maxOutputTokens: sql`excluded.max_output_tokens`,
        capabilities: sql`excluded.capabilities`,
        listedPrice: sql`excluded.listed_price`,
        inputPrice: sql`excluded.input_price`,
        outputPrice: sql`excluded.output_price`,
        cachedInputPrice: sql`excluded.cached_input_price`,
        cacheWritePrice: sql`excluded.cache_write_price`,
        optionFacts: sql`excluded.option_facts`,
        shutdownAt: sql`excluded.shutdown_at`,
        replacementName: sql`excluded.replacement_name`,
      },
    })
    .returning({ id: models.id, name: models.name });
  await updateVariants(
    tx,
    saved.map(({ id }) => id),
  );
  return saved;
}

/** A listed model as columns: its place (provider, base URL, name) and the provider's facts about it. */
function factsOf(
  { provider, baseUrl }: { provider: string; baseUrl: string },
  { price, ...listed }: ListedModel,
) {
  const { name, title, contextWindow, maxOutputTokens, capabilities, optionFacts } = listed;
  const { standsFor, shutdownAt, replacementName } = listed;
  return {
    ...{ provider, baseUrl, name, title, contextWindow, maxOutputTokens, capabilities, optionFacts },
    ...{ standsFor, shutdownAt, replacementName },
    listedPrice: price,
    inputPrice: asNumber(price?.input),
    outputPrice: asNumber(price?.output),
    cachedInputPrice: asNumber(price?.cachedInput),
    cacheWritePrice: asNumber(price?.cacheWrite),
  };
}

function asNumber(decimal: string | null | undefined): number | null {
  return decimal == null ? null : Number(decimal);
}

type Facts = ReturnType<typeof factsOf>;

const factColumns = {
  provider: models.provider,
  baseUrl: models.baseUrl,
  name: models.name,
  title: models.title,
  standsFor: models.standsFor,
  contextWindow: models.contextWindow,
  maxOutputTokens: models.maxOutputTokens,
  capabilities: models.capabilities,
  listedPrice: models.listedPrice,
  inputPrice: models.inputPrice,
  outputPrice: models.outputPrice,
  cachedInputPrice: models.cachedInputPrice,
  cacheWritePrice: models.cacheWritePrice,
  optionFacts: models.optionFacts,
  shutdownAt: models.shutdownAt,
  replacementName: models.replacementName,
};

/**
 * The rows in the order of their names, in which they are locked: two refreshes may list the same models in different orders,
 * and could deadlock. Ids are made before, in the provider's order.
 */
function inLockOrder(current: readonly Facts[]) {
  return current
    .map((model) => ({ ...model, id: newId('mdl') }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/**
 * The part of a provider's list that can be stored and shown: the first two thousand models. A model whose name would have to
 * be sanitised is left out, since the changed name would be that of another model.
 */
export function cleanModels(listed: readonly ListedModel[]): ListedModel[] {
  return listed
    .filter(({ name }) => isCleanName(name))
    .slice(0, MAX_LISTED_MODELS)
    .map((model) => ({
      ...model,
      title: sanitizeText(model.title, MAX_TITLE_LENGTH) || model.name,
      contextWindow: cleanCount(model.contextWindow),
      maxOutputTokens: cleanCount(model.maxOutputTokens),
      shutdownAt: cleanDate(model.shutdownAt),
      replacementName: cleanName(model.replacementName),
      standsFor: cleanName(model.standsFor),
    }));
}

function cleanName(name: string | null): string | null {
  return name !== null && isCleanName(name) ? name : null;
}

function isCleanName(name: string): boolean {
  return sanitizeText(name, MAX_NAME_LENGTH) === name;
}

const MAX_LISTED_MODELS = 2_000; // gateways list hundreds; one statement takes 65,535 parameters, nineteen for each model
const MAX_NAME_LENGTH = 200; // with the base URL it must fit into an index entry
const MAX_TITLE_LENGTH = 200;
