import { readFileSync } from 'node:fs';
import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { models as modelTable } from '../src/db/tables/model.ts';
import { priceListText } from '../src/models/generate-price-list.ts';
import {
  findContextWindow,
  findPrice,
  PRICE_LIST_FILE,
  type PriceList,
  type SoldModel,
} from '../src/models/price-list.ts';
import type { ModelPrice, TokenPrices } from '../src/providers/price.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { recordStatements } from './kit/statements.ts';

/** The price list that comes with a release: which models it prices, and above all which it does not. */

const site = useSite();
const text = readFileSync(PRICE_LIST_FILE, 'utf8');
const { sellers } = JSON.parse(text) as PriceList;
const NOW = new Date('2026-11-28T12:00:00Z');

test('the price list is what its script makes of the packages', () => {
  // To make it again: npm run prices:generate
  expect(priceListText() === text).toBe(true);
});

test('the price list has decimals and no number that was calculated with', () => {
  expect(text.match(/"(input|output|cached\w+|cacheWrite\w*|webSearch\w+)":(?!"\d+(\.\d+)?")/g)).toBeNull();
});

/** A model by provider and name; of Mistral with the name that its list says it stands for. */
function sold(provider: ProviderName, name: string, more: Partial<SoldModel> = {}): SoldModel {
  return { provider, baseUrl: 'https://api.example/v1', name, standsFor: null, ...more };
}

function priced(model: SoldModel, at = NOW): string | null {
  const price = findPrice(model, at)?.value;
  return price ? `${price.input}/${price.output}` : null;
}

describe('a model by its name', () => {
  test.for<[ProviderName, string, string | null]>([
    ['OPENAI', 'gpt-5.6-sol', '4/20'],
    ['OPENAI', 'gpt-5.6', '4/20'],
    ['OPENAI', 'gpt-4.1-mini-2025-04-14', '0.4/1.6'],
    ['OPENAI', 'gpt-5-nano-2025-08-07', '0.05/0.4'],
    ['OPENAI', 'gpt-5-nano-latest', null],
    ['OPENAI', 'gpt-6.1-sol', null],
    ['OPENAI', 'gpt-6-sol-mini', null],
    ['OPENAI', 'gpt-5.6-sol-pro', null],
    ['OPENAI', 'chat-latest', null],
    ['OPENAI', 'GPT-5.6-sol', null],
    ['OPENAI', 'ft:gpt-4.1-nano:acme::B7x1', null],
    ['OPENAI', 'ft:gpt-4o-2024-08-06:acme::B7x1', null],
    ['OPENAI', 'text-embedding-3-small', null],
    ['ANTHROPIC', 'claude-sonnet-5', '2/10'],
    ['ANTHROPIC', 'claude-sonnet-5-20260701', '2/10'],
    ['ANTHROPIC', 'claude-sonnet-5-5', null],
    ['ANTHROPIC', 'claude-sonnet-5-5-20261001', null],
    ['ANTHROPIC', 'claude-haiku-5-5', null],
    ['ANTHROPIC', 'claude-fable-5-2', null],
    ['ANTHROPIC', 'claude-opus-4-20250514', '15/75'],
    ['ANTHROPIC', 'claude-sonnet-4-20250514', '3/15'],
    ['GEMINI', 'gemini-2.5-flash-lite', '0.1/0.4'],
    ['GEMINI', 'gemini-2.5-flash-lite-preview', null],
    ['GEMINI', 'gemini-2.5-flash-lite-preview-09-2025', null],
    ['GEMINI', 'gemini-3-pro-preview', '2/12'],
    ['GEMINI', 'gemini-pro-latest', null],
    ['GEMINI', 'gemma-3-27b-it', null],
    ['GEMINI', 'gemma-4-31b-it', null],
    ['GEMINI', 'gemini-embedding-001', null],
    ['XAI', 'grok-4.7', '2/6'],
    ['XAI', 'grok-4.7-fast', null],
    ['PERPLEXITY', 'perplexity/sonar', '0.25/2.5'],
    ['PERPLEXITY', 'sonar-pro', null],
    ['PERPLEXITY', 'preset/fast', null],
    ['NOVITA', 'deepseek/deepseek-v3.1', '0.27/1'],
    ['CUSTOM', 'gpt-5.6-sol', null],
    ['MISTRAL', 'mistral-large-2512', null],
  ])('of %s, %s, costs %s', ([provider, name, expected]) => {
    expect(priced(sold(provider, name))).toBe(expected);
  });

  test.for<[string, string | null, string | null]>([
    ['mistral-large-latest', 'mistral-large-2512', '0.5/1.5'],
    ['mistral-large-latest', null, null],
    ['mistral-small-latest', 'mistral-small-2603', '0.15/0.6'],
    ['mistral-medium-2604', 'mistral-medium-3.5', '1.5/7.5'],
    ['magistral-medium-latest', 'magistral-medium-2509', '2/5'],
    ['mistral-medium-latest', 'mistral-medium-2701', null],
  ])('of Mistral, %s, which stands for %s, costs %s', ([name, standsFor, expected]) => {
    expect(priced(sold('MISTRAL', name, { standsFor }))).toBe(expected);
  });

  test('that is neither a name of the list nor one of its names with a day has no price', () => {
    const known = Object.entries(PROVIDERS).flatMap(([provider, seller]) => {
      const models = (sellers[seller]?.prices ?? []).flat();
      const names = models.flatMap((model) => model.names);
      const prefixes = models.flatMap((model) => model.prefixes ?? []);
      return [{ provider: provider as ProviderName, names, prefixes }];
    });
    const anyModel = fc
      .constantFrom(...known)
      .chain((seller) => fc.tuple(fc.constant(seller), fc.constantFrom(...seller.names, ...seller.prefixes)));
    const anyChange = fc.oneof(
      fc.constantFrom(
        '-mini',
        '-pro',
        '-5',
        '.5',
        '-lite',
        '-fast',
        '-preview',
        '-latest',
        ':free',
        '-2',
        'o',
        '-001-x',
      ),
      fc.string({ minLength: 1, maxLength: 8 }),
      fc.constantFrom('-2026-03-01', '-20260301', '-2603', '-001'),
    );
    const anyPlace = fc.constantFrom('after', 'before', 'inside', 'instead') satisfies fc.Arbitrary<Place>;
    const counts = { near: 0, named: 0 };
    fc.assert(
      fc.property(anyModel, anyChange, anyPlace, fc.nat(), ([seller, name], change, place, at) => {
        const changed = changeName(name, change, place, at);
        const isNamed =
          seller.names.includes(changed) || seller.prefixes.some((each) => isDatedFrom(each, changed));
        counts[isNamed ? 'named' : 'near']++;
        const price = findPrice(sold(seller.provider, changed, { standsFor: changed }), NOW);
        if (!isNamed) expect([changed, price]).toEqual([changed, null]);
      }),
      { numRuns: 20_000 },
    );
    expect(counts.near).toBeGreaterThan(10_000);
    expect(counts.named).toBeGreaterThan(100);
  });
});

const PROVIDERS: Record<Exclude<ProviderName, 'CUSTOM'>, string> = {
  OPENAI: 'openai',
  ANTHROPIC: 'anthropic',
  GEMINI: 'google',
  MISTRAL: 'mistral',
  PERPLEXITY: 'perplexity',
  XAI: 'x-ai',
  NOVITA: 'novita',
};

type Place = 'after' | 'before' | 'inside' | 'instead';

function changeName(name: string, change: string, place: Place, at: number): string {
  const index = at % (name.length + 1);
  if (place === 'after') return name + change;
  if (place === 'before') return change + name;
  const end = place === 'inside' ? index : index + change.length;
  return name.slice(0, index) + change + name.slice(end);
}

/** Whether a name is a beginning from the list, or what is left of it without its day or number is a part of that beginning. */
function isDatedFrom(prefix: string, name: string): boolean {
  const [undated = name] = name.split(/-(?:20\d\d-\d\d-\d\d|20\d{6}|20\d\d-\d{4}|20\d{4}-\d\d|\d{4}|00\d)$/);
  return name.startsWith(prefix) && prefix.startsWith(undated);
}

describe('a model of a CUSTOM key', () => {
  test.for<[string, string, string | null]>([
    ['https://api.groq.com/openai/v1', 'llama-3.3-70b-versatile', '0.59/0.79'],
    ['https://api.openai.com/v1', 'gpt-5.6-sol', '4/20'],
    ['https://api.z.ai/api/paas/v4', 'glm-5.2', '1.4/4.4'],
    ['https://api.z.ai/api/coding/paas/v4', 'glm-5.2', null],
    ['https://api.mistral.ai/v1', 'mistral-large-latest', null],
    ['https://api.groq.com.evil.example/openai/v1', 'llama-3.3-70b-versatile', null],
    ['https://evil.example/https://api.groq.com/openai/v1', 'llama-3.3-70b-versatile', null],
    ['https://evil.example/?https://api.groq.com/', 'llama-3.3-70b-versatile', null],
    ['http://api.groq.com/openai/v1', 'llama-3.3-70b-versatile', null],
    ['https://api.groq.com:8443/openai/v1', 'llama-3.3-70b-versatile', null],
    ['http://localhost:11434/v1', 'gpt-oss-20b', null],
    ['https://openrouter.ai/api/v1', 'openai/gpt-4o', null],
    // Its price depends on the hour.
    ['https://api.deepseek.com', 'deepseek-v4-flash', null],
  ])('at %s, %s, costs %s', ([baseUrl, name, expected]) => {
    expect(priced(sold('CUSTOM', name, { baseUrl }))).toBe(expected);
  });
});

test('a price is that of the day on which it counts, and the one of a coming day is not shown before', () => {
  const o3 = sold('OPENAI', 'o3');
  expect(priced(o3, new Date('2025-06-09T23:59:59Z'))).toBe('10/40');
  expect(priced(o3, new Date('2025-06-10T00:00:00Z'))).toBe('2/8');
  const flash = sold('GEMINI', 'gemini-3.8-flash');
  expect(priced(flash, new Date('2026-12-31T23:59:59Z'))).toBe('0.75/3.75');
  expect(priced(flash, new Date('2027-01-01T00:00:00Z'))).toBe('1.5/7.5');
});

/** The prices of a request with so many input tokens. */
function pricesFor({ tiers, ...base }: ModelPrice, inputTokens: number): TokenPrices {
  return tiers.findLast(({ above }) => inputTokens > above) ?? base;
}

test.for([
  // OpenAI writes "below 272K" of one family and of another that prompts above 272K cost more.
  ['gpt-5.6-sol', 271_999, '4/20'],
  ['gpt-5.6-sol', 272_000, '8/30'],
  ['gpt-5.6-sol', 272_001, '8/30'],
  ['gpt-6-sol', 271_999, '2/10'],
  ['gpt-6-sol', 272_000, '2/10'],
  ['gpt-6-sol', 272_001, '4/15'],
] as const)('a request of %s with %i input tokens costs %s', ([name, tokens, expected]) => {
  const price = findPrice(sold('OPENAI', name), NOW)?.value ?? expect.unreachable();
  const { input, output } = pricesFor(price, tokens);
  expect(`${input}/${output}`).toBe(expected);
});

test('every model of the first source costs what that says itself, on both sides of each limit and day', () => {
  let compared = 0;
  for (const [seller, { url, prices }] of Object.entries(sellers))
    for (const { names, periods } of prices[0] ?? [])
      for (const name of names) {
        const model = sold('CUSTOM', name, { baseUrl: `${url}v1` });
        if (seller === 'mistral') Object.assign(model, { provider: 'MISTRAL', standsFor: name });
        const days = periods.flatMap(({ from = '2020-01-01' }) => [-1, 0].map((ms) => Date.parse(from) + ms));
        const limits = periods.flatMap(({ tiers = [] }) => tiers.map(({ above }) => above));
        for (const timestamp of [NOW, ...days.map((day) => new Date(day))])
          for (const tokens of [1_000, ...limits.flatMap((above) => [above, above + 1])]) {
            const usage = { input_tokens: tokens, output_tokens: 1_000 };
            const theirs = calcPrice(usage, name, { providerId: seller, timestamp });
            // Some of its models have an id that its own rules do not match.
            if (theirs === null) continue;
            const own = findPrice(model, timestamp)?.value ?? expect.unreachable(name);
            const { input, output } = pricesFor(own, tokens);
            expect([name, theirs.input_price, theirs.output_price]).toEqual([
              name,
              expect.closeTo((Number(input) * tokens) / 1e6, 9),
              expect.closeTo(Number(output) / 1e3, 9),
            ]);
            compared++;
          }
      }
  expect(compared).toBeGreaterThan(1_000);
});

test('nothing in the price list is free', () => {
  const free = Object.values(sellers).flatMap(({ prices }) =>
    prices
      .flat()
      .filter(({ periods }) => periods.some(({ input, output }) => !Number(input) || !Number(output))),
  );
  expect(free).toEqual([]);
});

test.for<[ProviderName, string, number | null]>([
  ['OPENAI', 'gpt-4.1', 1_047_576],
  ['OPENAI', 'gpt-4.1-2025-04-14', 1_047_576],
  ['OPENAI', 'gpt-5.2-chat-latest', 128_000],
  ['OPENAI', 'gpt-5.1-chat-latest', null],
  ['OPENAI', 'gpt-4.1-large', null],
  ['ANTHROPIC', 'claude-sonnet-4-5', null],
  ['PERPLEXITY', 'perplexity/sonar', 128_000],
  ['CUSTOM', 'gpt-4.1', null],
])('the context window of %s, %s, is %s', ([provider, name, expected]) => {
  expect(findContextWindow(sold(provider, name))?.value ?? null).toBe(expected);
});

test('a price of the list is looked up when it is read, without a statement, for a variant too', async () => {
  const ada = await site.server.signUp();
  const { workspaceId } = ada;
  const place = {
    workspaceId,
    provider: 'CUSTOM',
    baseUrl: 'https://api.groq.com/openai/v1',
    capabilities: [],
  };
  const shown = async (count: number) => {
    const query = `{ workspace(id: "${workspaceId}") { models(first: ${count}) { nodes {
      name baseModel { id } price { input { amount } } factSources { field source asOf } } } } }`;
    using recorded = recordStatements();
    const { data, errors } = await post(ada.url, ada.token, { query });
    const { models } = (data?.workspace ?? expect.unreachable(JSON.stringify(errors))) as { models: Page };
    return { nodes: models.nodes, statements: recorded.texts.length };
  };
  const names = Array.from({ length: 99 }, (_, index) => `model-${index}`);
  const rows = await site.server.app.db
    .insert(modelTable)
    .values(['openai/gpt-oss-120b', ...names].map((name) => ({ ...place, name, title: name })))
    .returning();
  await shown(1); // what is looked up once and then known, such as the session, at each of several servers
  await shown(1);
  const one = await shown(1);
  const many = await shown(100);
  expect(many.nodes).toHaveLength(100);
  expect(many.statements).toBe(one.statements);
  const base = rows.find(({ name }) => name === 'openai/gpt-oss-120b')?.id;
  await ada.run('create-model-variant', { input: { workspaceId, baseModelId: base, title: 'Mine' } });
  const named = (await shown(101)).nodes.filter(({ name }) => name === 'openai/gpt-oss-120b');
  expect(named.map(({ baseModel }) => baseModel)).toEqual([null, { id: base }]);
  for (const model of named)
    expect(model).toMatchObject({
      price: { input: { amount: '0.15' } },
      factSources: [
        { field: 'contextWindow', source: 'PRICE_LIST', asOf: '2026-09-22T00:00:00.000Z' },
        { field: 'price', source: 'PRICE_LIST', asOf: '2026-09-23T00:00:00.000Z' },
      ],
    });
});

interface Page {
  nodes: { name: string; baseModel: object | null }[];
}
