/** US dollars per million tokens, as decimal numbers in text: sums of floats would be wrong by fractions of a cent. */
export interface TokenPrices {
  input: string;
  /** Reasoning included. */
  output: string;
  /** Input that the provider had cached; null if it is not stated. */
  cachedInput: string | null;
  /** Input that the provider puts into its cache for the shortest time that it offers; null if it is not stated. */
  cacheWrite: string | null;
  /** Input that the provider caches for an hour; null if it is not stated. */
  cacheWrite1h: string | null;
}

/** The prices of the whole request if its input, cached tokens included, has more tokens than `above`. */
export interface PriceTier extends TokenPrices {
  above: number;
}

export interface ModelPrice extends TokenPrices {
  /** US dollars for a thousand web searches; null if it is not stated. */
  webSearchPer1000: string | null;
  /** From the smallest number of tokens to the largest; empty if the price is the same for all requests. */
  tiers: readonly PriceTier[];
}

/** Prices as a list states them; what is null or absent it does not state. */
export type StatedPrices = { [Kind in keyof TokenPrices]?: string | null | undefined };

/** A tier as a list states it; `above` is null if its limit cannot be read. */
export type StatedTier = StatedPrices & { above: number | null };

/**
 * The price that a list states. A tier has the price of smaller requests for what it does not state itself. Null without a price
 * of input and output, with one so high that it must be in another unit, and with a tier that cannot be read: a price that holds
 * for a part of the requests would be taken for the price of all.
 */
export function readPrice(stated: StatedPrices, statedTiers: readonly StatedTier[] = []): ModelPrice | null {
  const base = tokenPricesOf(stated);
  if (base === null || statedTiers.length > MOST_TIERS) return null;
  const tiers = statedTiers.map((tier) => tierOf(base, tier)).filter((tier) => tier !== null);
  if (tiers.length < statedTiers.length) return null;
  const ascending = tiers.toSorted((left, right) => left.above - right.above);
  return { ...base, webSearchPer1000: null, tiers: ascending };
}

function tierOf(base: TokenPrices, { above, ...stated }: StatedTier): PriceTier | null {
  if (above === null || !Number.isInteger(above) || above < 1 || above > HIGHEST_LIMIT) return null;
  const own = Object.entries(stated).filter(([, price]) => price != null);
  const prices = tokenPricesOf({ ...base, ...Object.fromEntries(own) });
  return prices && { above, ...prices };
}

function tokenPricesOf(stated: StatedPrices): TokenPrices | null {
  const { input, output, cachedInput = null, cacheWrite = null, cacheWrite1h = null } = stated;
  if (input == null || output == null) return null;
  const prices = { input, output, cachedInput, cacheWrite, cacheWrite1h };
  return Object.values(prices).some((price) => Number(price) > HIGHEST_PRICE) ? null : prices;
}

const HIGHEST_PRICE = 100_000;
const HIGHEST_LIMIT = 2_147_483_647; // of GraphQL's Int
const MOST_TIERS = 16; // a list is foreign text, and its prices are stored with each model
