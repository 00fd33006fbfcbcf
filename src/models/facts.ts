import { and, eq, isNotNull, max, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import type { ManualFacts, Stated } from '../providers/manual-facts.ts';
import type { ModelCapability } from '../providers/options.ts';
import type { ModelPrice } from '../providers/price.ts';
import type { Provider } from '../providers/provider.ts';
import { optionSupportOf } from './answer-options.ts';
import { type AskedFacts, type Model, toAskedModel } from './catalogue.ts';
import { findContextWindow, findPrice } from './price-list.ts';

/** The number of tokens that fit into one request, by the provider's list, else by the price list; null if neither knows it. */
export function contextWindowOf(model: Model): number | null {
  return model.contextWindow ?? findContextWindow(model)?.value ?? null;
}

/** The price of a model at a time, by the provider's list, else by the price list; null if neither knows it. */
export function priceOf(model: Model, at: Date): ModelPrice | null {
  return model.listedPrice ?? findPrice(model, at)?.value ?? null;
}

/** The capabilities of a model: those that its provider's list states, then those that are stated by hand. */
export function capabilitiesOf(provider: Provider, model: AskedFacts): ModelCapability[] {
  const byHand = manualFactsOf(provider, model).capabilities?.value ?? [];
  return [...new Set([...model.capabilities, ...byHand])];
}

/** Fields of a model that have a source; `efforts` is the one of its `optionSupport`. */
export const FACT_FIELDS = [
  'contextWindow',
  'maxOutputTokens',
  'capabilities',
  'efforts',
  'price',
  'shutdownAt',
  'replacement',
] as const;

/** Where a field of a model comes from. A field of which two sources state a part comes from both. */
export interface FactSource {
  field: (typeof FACT_FIELDS)[number];
  source: 'PROVIDER' | 'PRICE_LIST' | 'MANUAL';
  /** When the source last said so. */
  asOf: Date;
}

/**
 * The sources of what is known about a model; nothing for what is not known. `listedAt` is the time of the provider's list, null
 * if no key lists the model any more. `hasReplacement`: the replacement that the list names is known here.
 */
export function factSources(
  provider: Provider,
  model: Model,
  { listedAt, hasReplacement }: { listedAt: Date | null; hasReplacement: boolean },
): FactSource[] {
  const now = new Date();
  const listed = (isListed: boolean): Origin[] =>
    isListed && listedAt !== null ? [{ source: 'PROVIDER', asOf: listedAt }] : [];
  /** Of values that the list states in part, and that are otherwise stated by hand. */
  const mixed = (known: readonly string[], inList: readonly string[], byHand: Stated<unknown> | null) => [
    ...listed(known.some((value) => inList.includes(value))),
    ...(known.some((value) => !inList.includes(value)) ? originsOf('MANUAL', byHand) : []),
  ];
  const manual = manualFactsOf(provider, model);
  const { efforts } = optionSupportOf(provider, model);
  const origins: Record<(typeof FACT_FIELDS)[number], Origin[]> = {
    contextWindow:
      model.contextWindow === null ? originsOf('PRICE_LIST', findContextWindow(model)) : listed(true),
    maxOutputTokens: listed(model.maxOutputTokens !== null),
    capabilities: mixed(capabilitiesOf(provider, model), model.capabilities, manual.capabilities),
    efforts: mixed(efforts, model.optionFacts?.efforts ?? [], manual.efforts),
    price: model.listedPrice === null ? originsOf('PRICE_LIST', findPrice(model, now)) : listed(true),
    shutdownAt: listed(model.shutdownAt !== null),
    replacement: listed(hasReplacement),
  };
  return FACT_FIELDS.flatMap((field) => origins[field].map((origin) => ({ field, ...origin })));
}

type Origin = Pick<FactSource, 'source' | 'asOf'>;

function originsOf(source: Origin['source'], stated: Stated<unknown> | null): Origin[] {
  return stated === null ? [] : [{ source, asOf: new Date(stated.asOf) }];
}

function manualFactsOf(provider: Provider, model: AskedFacts): ManualFacts {
  return provider.manualFacts(toAskedModel(model));
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
