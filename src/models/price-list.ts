import { readFileSync } from 'node:fs';
import type { Stated } from '../providers/manual-facts.ts';
import { type ModelPrice, readPrice, type StatedPrices } from '../providers/price.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Model } from './catalogue.ts';

/** What a model of the price list is known by: who sells it, and under which name. */
export type SoldModel = Pick<Model, 'provider' | 'baseUrl' | 'name' | 'standsFor'>;

/**
 * The price of a model at a time by the price list of this release. Null for a model that the list does not name: a name that is
 * merely like one of the list is that of another model, which may cost many times as much.
 */
export function findPrice(model: SoldModel, at: Date): Stated<ModelPrice> | null {
  const seller = sellerOf(model);
  if (seller === null) return null;
  // An alias of Mistral moves to another model, at another price, without notice.
  const name = seller.name === SELLERS.MISTRAL ? model.standsFor : model.name;
  if (name === null) return null;
  // A list of the operator's own would come before these.
  for (const { asOf, models } of seller.prices) {
    const periods = findPeriods(models, name);
    const price = periods === null ? null : priceAt(periods, at);
    if (price !== null) return { value: price, asOf };
  }
  return null;
}

/** The context window of a model by the price list of this release; null for a model that the list does not name. */
export function findContextWindow(model: SoldModel): Stated<number> | null {
  const seller = sellerOf(model);
  if (seller === null) return null;
  const { contextWindows, asOf } = seller;
  const value = contextWindows.get(model.name) ?? contextWindows.get(model.name.replace(DAY, ''));
  return value === undefined ? null : { value, asOf };
}

/** A snapshot of a day has the context window of its model. */
const DAY = /-20\d\d-\d\d-\d\d$/;

/** The file `price-list.json`, which `generate-price-list.ts` makes. */
export interface PriceList {
  /** The collections of data that it is made from, in the order in which they are asked. */
  sources: readonly { package: string; version: string; asOf: string }[];
  /** By the name that the first source gives them. */
  sellers: Readonly<Record<string, SellerData>>;
}

export interface SellerData {
  /** What the base URL of its API begins with. */
  url: string;
  /** Tokens, by name of the model. */
  contextWindows: Readonly<Record<string, number>>;
  /** From each of the sources. */
  prices: readonly (readonly ModelData[])[];
}

export interface ModelData {
  names: readonly string[];
  /** Beginnings of names that may go on with a day or the number of a release, and with nothing else. */
  prefixes?: readonly string[];
  /** From the first to the last. */
  periods: readonly PricePeriod[];
}

/** The prices from a day on; the first period has begun long ago. */
export interface PricePeriod extends StatedPrices {
  from?: string;
  webSearchPer1000?: string;
  tiers?: readonly (StatedPrices & { above: number })[];
}

interface Seller {
  name: string;
  url: string;
  contextWindows: ReadonlyMap<string, number>;
  /** Of the oldest source. */
  asOf: string;
  prices: readonly { asOf: string; models: ModelIndex }[];
}

interface ModelIndex {
  byName: ReadonlyMap<string, readonly PricePeriod[]>;
  /** The longest first. */
  byPrefix: readonly { prefix: string; periods: readonly PricePeriod[] }[];
}

function findPeriods({ byName, byPrefix }: ModelIndex, name: string): readonly PricePeriod[] | null {
  const { length } = name.replace(RELEASE, '');
  const begins = ({ prefix }: { prefix: string }) => name.startsWith(prefix) && length <= prefix.length;
  return byName.get(name) ?? byPrefix.find(begins)?.periods ?? null;
}

/** The end of a name that is a day or the number of a release: `-2026-03-01`, `-20260301`, `-2512`, `-001`. */
const RELEASE = /-(?:20\d\d-?\d\d-?\d\d|\d{4}|00\d)$/;

function priceAt(periods: readonly PricePeriod[], at: Date): ModelPrice | null {
  const period = periods.findLast(({ from }) => from === undefined || at >= new Date(from));
  if (period === undefined) return null;
  const { from: _, webSearchPer1000 = null, tiers, ...prices } = period;
  const price = readPrice(prices, tiers);
  return price && { ...price, webSearchPer1000 };
}

/** A CUSTOM key is known to lead to a seller only by its base URL. */
function sellerOf({ provider, baseUrl }: SoldModel): Seller | null {
  const sellers = readSellers();
  if (provider !== 'CUSTOM') return sellers.get(SELLERS[provider]) ?? null;
  return sellers.values().find(({ url }) => `${baseUrl}/`.startsWith(url)) ?? null;
}

const SELLERS: Record<Exclude<ProviderName, 'CUSTOM'>, string> = {
  OPENAI: 'openai',
  ANTHROPIC: 'anthropic',
  GEMINI: 'google',
  MISTRAL: 'mistral',
  PERPLEXITY: 'perplexity',
  XAI: 'x-ai',
  NOVITA: 'novita',
};

let sellers: ReadonlyMap<string, Seller> | undefined;

/** The sellers of the file by name. It is read when a model is first looked up. */
function readSellers(): ReadonlyMap<string, Seller> {
  sellers ??= indexOf(JSON.parse(readFileSync(PRICE_LIST_FILE, 'utf8')) as PriceList);
  return sellers;
}

export const PRICE_LIST_FILE = new URL('price-list.json', import.meta.url);

function indexOf(list: PriceList): ReadonlyMap<string, Seller> {
  const days = list.sources.map(({ asOf }) => asOf);
  const [oldest = ''] = days.toSorted();
  return new Map(
    Object.entries(list.sellers).map(([name, { url, contextWindows, prices }]) => [
      name,
      {
        name,
        url,
        contextWindows: new Map(Object.entries(contextWindows)),
        asOf: oldest,
        prices: prices.map((models, source) => ({
          asOf: days[source] ?? oldest,
          models: indexModels(models),
        })),
      },
    ]),
  );
}

function indexModels(models: readonly ModelData[]): ModelIndex {
  return {
    byName: new Map(models.flatMap(({ names, periods }) => names.map((name) => [name, periods] as const))),
    byPrefix: models
      .flatMap(({ prefixes = [], periods }) => prefixes.map((prefix) => ({ prefix, periods })))
      .sort((left, right) => right.prefix.length - left.prefix.length),
  };
}
