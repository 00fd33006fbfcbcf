import { and, eq, isNotNull, max, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import type { Model } from './catalogue.ts';

/** The fields of a model that a provider's list can fill. */
export const FACT_FIELDS = [
  'contextWindow',
  'maxOutputTokens',
  'capabilities',
  'price',
  'shutdownAt',
  'replacement',
] as const;

/** Where a field of a model comes from. */
export interface FactSource {
  field: (typeof FACT_FIELDS)[number];
  source: 'PROVIDER';
  /** When the provider last said so. */
  asOf: Date;
}

/**
 * The sources of what is known about a model, `listedAt` the time of the list; nothing for what is not known. `hasReplacement`:
 * the replacement that the list names is known here.
 */
export function factSources(model: Model, listedAt: Date | null, hasReplacement: boolean): FactSource[] {
  if (listedAt === null) return [];
  const isKnown = {
    contextWindow: model.contextWindow !== null,
    maxOutputTokens: model.maxOutputTokens !== null,
    capabilities: model.capabilities.length > 0,
    price: model.listedPrice !== null,
    shutdownAt: model.shutdownAt !== null,
    replacement: hasReplacement,
  };
  return FACT_FIELDS.filter((field) => isKnown[field]).map((field) => {
    return { field, source: 'PROVIDER', asOf: listedAt };
  });
}

/** When a provider last listed each of these models, or the base models of variants; absent for those that none lists. */
export async function findListTimes(
  { db }: { db: Database },
  modelIds: readonly string[],
): Promise<Map<string, Date>> {
  const rows = await db
    .select({ id: models.id, listedAt: max(apiKeys.modelsRefreshedAt) })
    .from(models)
    .innerJoin(apiKeyModels, eq(apiKeyModels.modelId, sql`coalesce(${models.baseModelId}, ${models.id})`))
    .innerJoin(apiKeys, eq(apiKeys.id, apiKeyModels.apiKeyId))
    .where(and(isOneOf(models.id, modelIds), isNotNull(apiKeyModels.position)))
    .groupBy(models.id);
  return new Map(rows.flatMap(({ id, listedAt }) => (listedAt === null ? [] : [[id, listedAt]])));
}
