import { shiftPoint } from './decimal.ts';
import { asArray, asCount, asObject, asText, type JsonObject } from './json.ts';
import { type ModelPrice, readPrice, type StatedPrices } from './price.ts';

/**
 * The price in an entry of an OpenAI-compatible list, where the list leaves no doubt about the unit: OpenRouter's texts are
 * dollars per token, and Perplexity names its unit. Numbers without a unit are dollars per token, per thousand or per million,
 * so they are left out.
 */
export function priceIn(entry: JsonObject): ModelPrice | null {
  const pricing = asObject(entry.pricing);
  if (pricing === null || (pricing.currency !== undefined && pricing.currency !== 'USD')) return null;
  if (pricing.unit === 'usd_per_1m_tokens') {
    const [input, output, cachedInput] = [pricing.input, pricing.output, pricing.cache_read].map((price) =>
      shiftPoint(price, 0),
    );
    return readPrice({ input, output, cachedInput });
  }
  if (pricing.unit !== undefined) return null;
  const tiers = asArray(pricing.overrides).map((override) => tierIn(asObject(override) ?? {}, pricing));
  return readPrice(perMillion(pricing), tiers);
}

/** OpenRouter says -1, which is no price, where the price depends on the model that it chooses. */
function perMillion(pricing: JsonObject): StatedPrices {
  const price = (field: keyof typeof FIELDS) => shiftPoint(asText(pricing[FIELDS[field]]), PER_MILLION);
  return {
    input: price('input'),
    output: price('output'),
    cachedInput: price('cachedInput'),
    cacheWrite: price('cacheWrite'),
    cacheWrite1h: price('cacheWrite1h'),
  };
}

const PER_MILLION = 6;

const FIELDS = {
  input: 'prompt',
  output: 'completion',
  cachedInput: 'input_cache_read',
  cacheWrite: 'input_cache_write',
  cacheWrite1h: 'input_cache_write_1h',
} satisfies Record<keyof StatedPrices, string>;

/**
 * OpenRouter's prices for prompts from a number of tokens on, which state only what differs. There are others for some hours of
 * the day: one with a condition that is not known here has no limit, so the price is not known.
 */
function tierIn(override: JsonObject, pricing: JsonObject): StatedPrices & { above: number | null } {
  const { min_prompt_tokens: from, ...prices } = override;
  const known: readonly string[] = [...Object.keys(pricing), ...Object.values(FIELDS)];
  const isKnown = Object.keys(prices).every((field) => known.includes(field));
  const fewest = asCount(from);
  return { ...perMillion(prices), above: isKnown && fewest !== null ? fewest - 1 : null };
}
