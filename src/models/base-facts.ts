import { and, eq, type SQL, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { models } from '../db/tables/model.ts';
import type { Model } from './catalogue.ts';

/** What a base model is known by: `variantId` is empty for all of them. */
export const BASE_IDENTITY = [
  models.tenantId,
  models.provider,
  models.baseUrl,
  models.name,
  models.variantId,
];

/** What a variant repeats of its base model: its place, and the provider's facts about it. */
export function baseFactsOf(base: Model) {
  const { provider, baseUrl, name, contextWindow, maxOutputTokens, capabilities, optionFacts } = base;
  const { listedPrice, inputPrice, outputPrice, cachedInputPrice, cacheWritePrice } = base;
  const { standsFor, shutdownAt, replacementName } = base;
  return {
    ...{ provider, baseUrl, name, contextWindow, maxOutputTokens, capabilities, optionFacts },
    ...{ listedPrice, inputPrice, outputPrice, cachedInputPrice, cacheWritePrice },
    ...{ standsFor, shutdownAt, replacementName },
  };
}

/** Gives the variants of these models the present facts of their base models. */
export async function updateVariants(
  tx: Pick<Database, 'update'>,
  baseIds: readonly string[],
): Promise<void> {
  await tx
    .update(models)
    .set(columnsOfBase)
    .from(base)
    .where(and(eq(base.id, models.baseModelId), isOneOf(base.id, baseIds)));
}

const base = alias(models, 'base');

const columnsOfBase: Partial<Record<keyof ReturnType<typeof baseFactsOf>, SQL>> = {
  contextWindow: sql`${base.contextWindow}`,
  maxOutputTokens: sql`${base.maxOutputTokens}`,
  capabilities: sql`${base.capabilities}`,
  optionFacts: sql`${base.optionFacts}`,
  listedPrice: sql`${base.listedPrice}`,
  inputPrice: sql`${base.inputPrice}`,
  outputPrice: sql`${base.outputPrice}`,
  cachedInputPrice: sql`${base.cachedInputPrice}`,
  cacheWritePrice: sql`${base.cacheWritePrice}`,
  standsFor: sql`${base.standsFor}`,
  shutdownAt: sql`${base.shutdownAt}`,
  replacementName: sql`${base.replacementName}`,
};
