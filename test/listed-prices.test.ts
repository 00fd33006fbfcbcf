import { readFileSync } from 'node:fs';
import { eq, sql } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import { models as modelTable } from '../src/db/tables/model.ts';
import { shiftPoint } from '../src/providers/decimal.ts';
import type { ModelPrice, TokenPrices } from '../src/providers/price.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { callOf, scriptedProviders } from './fixtures/ask.ts';
import { json } from './fixtures/scripted-egress.ts';
import { post } from './kit/person.ts';
import { useSite } from './kit/site.ts';

/** The prices in the lists of providers, from their own units and fields to the client. */

const site = useSite();

test.for([
  ['0.00000025', 6, '0.25'],
  [2.5e-7, 6, '0.25'],
  ['0.00000001703012', 6, '0.01703012'],
  [12_500, -4, '1.25'],
  [3, 0, '3'],
  ['15.00', 0, '15'],
  [1_000, 0, '1000'],
  ['1E+2', 0, '100'],
  ['0', 6, '0'],
  ['0.000', 6, '0'],
  ['-1', 6, null],
  ['', 6, null],
  [' 1', 6, null],
  ['1,5', 6, null],
  ['Infinity', 6, null],
  ['1e300', 6, null],
  ['1e-30', 6, null],
  ['9'.repeat(60), 6, null],
  [Number.NaN, 6, null],
  [null, 6, null],
  [[1], 6, null],
] as const)('%j times ten to the power of %i is the decimal %j', ([number, places, expected]) => {
  expect(shiftPoint(number, places)).toBe(expected);
});

/** The price in an entry of the provider's list, in words; null if it is not known. */
async function priceOf(provider: ProviderName, entry: object): Promise<string | null> {
  const { providers } = scriptedProviders(({ url }) => {
    const path = new URL(url).pathname;
    return json(path.endsWith('/language-models') ? { models: [entry] } : { data: [entry] });
  });
  const [model] = await providers[provider].listModels(callOf(providers, provider));
  return model?.price ? show(model.price) : null;
}

function show({ tiers, ...base }: ModelPrice): string {
  const prices = ({ input, output, cachedInput, cacheWrite, cacheWrite1h }: TokenPrices) =>
    [input, output, cachedInput, cacheWrite, cacheWrite1h].map((price) => price ?? '-').join('/');
  return [prices(base), ...tiers.map((tier) => `above ${tier.above}: ${prices(tier)}`)].join(', ');
}

describe('a price with tiers', () => {
  const grok = {
    id: 'grok-4.7',
    output_modalities: ['text'],
    prompt_text_token_price: 20_000,
    cached_prompt_text_token_price: 5_000,
    completion_text_token_price: 60_000,
  };

  test.for<[string, object, string]>([
    ['without a limit', {}, '2/6/0.5/-/-'],
    ['whose limit is zero', { long_context_threshold: 0 }, '2/6/0.5/-/-'],
    [
      'whose long prices are zero',
      { long_context_threshold: 200_000, prompt_text_token_price_long_context: 0 },
      '2/6/0.5/-/-',
    ],
    [
      'of which one is the same for long prompts',
      {
        long_context_threshold: 200_000,
        prompt_text_token_price_long_context: 40_000,
        cached_prompt_text_token_price_long_context: 0,
        completion_text_token_price_long_context: 120_000,
      },
      '2/6/0.5/-/-, above 199999: 4/12/0.5/-/-',
    ],
  ])('of xAI %s counts from the stated number of tokens on', async ([, long, expected]) => {
    expect(await priceOf('XAI', { ...grok, ...long })).toBe(expected);
  });

  const step = (min_tokens: number, max_tokens: number, input: number) => ({
    min_tokens,
    max_tokens,
    pricing: { prompt: { price_per_m: input }, completion: { price_per_m: 4 * input } },
  });

  test.for<[string, object, string | null]>([
    ['none', {}, '0.27/1/0.135/-/-'],
    [
      'steps, of which the plain fields may say zero',
      {
        input_token_price_per_m: 0,
        output_token_price_per_m: 0,
        tiered_billing_configs: [step(524_288, 1_000_000, 6_000), step(1, 524_288, 3_000)],
      },
      '0.3/1.2/-/-/-, above 524288: 0.6/2.4/-/-/-',
    ],
    [
      'steps that begin after the last number',
      { tiered_billing_configs: [step(1, 32_000, 3_000), step(32_001, 128_000, 6_000)] },
      '0.3/1.2/-/-/-, above 32000: 0.6/2.4/-/-/-',
    ],
    ['steps that it does not list', { is_tiered_billing: true }, null],
    ['steps without prices', { tiered_billing_configs: [{ min_tokens: 1 }] }, null],
    [
      'steps without limits',
      { tiered_billing_configs: [{ ...step(1, 1, 3_000), max_tokens: null }, step(32_001, 64_000, 6_000)] },
      null,
    ],
  ])('of Novita with %s is read as it is billed', async ([, more, expected]) => {
    const entry = {
      id: 'deepseek/deepseek-v3.1',
      model_type: 'chat',
      input_token_price_per_m: 2_700,
      output_token_price_per_m: 10_000,
      pricing: { input_cache_read: { price_per_m: 1_350 } },
      ...more,
    };
    expect(await priceOf('NOVITA', entry)).toBe(expected);
  });

  const long = { min_prompt_tokens: 272_000, prompt: '0.00001', completion: '0.000045' };

  test.for<[string, unknown, string | null]>([
    ['no overrides', undefined, '5/30/0.5/6.25/10'],
    ['an override of some fields', [long], '5/30/0.5/6.25/10, above 271999: 10/45/0.5/6.25/10'],
    [
      'overrides in any order',
      [{ ...long, min_prompt_tokens: 500_000, completion: '0.00009' }, long],
      '5/30/0.5/6.25/10, above 271999: 10/45/0.5/6.25/10, above 499999: 10/90/0.5/6.25/10',
    ],
    ['an override for some hours', [{ utc_start: 100, utc_end: 400, prompt: '0.00001' }], null],
    ['an override for long prompts at some hours', [{ ...long, utc_start: 100, utc_end: 400 }], null],
    ['an override without a limit', [{ prompt: '0.00001' }], null],
    ['an override that is no object', ['0.00001'], null],
    ['a limit that is no number of tokens', [{ ...long, min_prompt_tokens: 1e12 }], null],
    ['too many overrides', Array(17).fill(long), null],
  ])(
    'of OpenRouter with %s is known only where it can be told from the tokens',
    async ([, overrides, expected]) => {
      const pricing = {
        prompt: '0.000005',
        completion: '0.00003',
        web_search: '0.01',
        input_cache_read: '0.0000005',
        input_cache_write: '0.00000625',
        input_cache_write_1h: '0.00001',
        overrides,
      };
      expect(await priceOf('CUSTOM', { id: 'openai/gpt-5.5', pricing })).toBe(expected);
    },
  );
});

test('a price from a list is shown with its tiers, by a variant too', async () => {
  const ada = await site.server.signUp();
  const { models } = await ada.addKey('XAI');
  const [grok = expect.unreachable()] = models.filter(({ name }) => name === 'grok-4.7');
  const input = { workspaceId: ada.workspaceId, baseModelId: grok.id, title: 'Mine' };
  const { model: variant } = await ada.run<{ model: { id: string } }>('create-model-variant', { input });
  for (const { id } of [grok, variant]) {
    const prices = 'input { amount currency } output { amount } cachedInput { amount } cacheWrite { amount }';
    const query = `{ node(id: "${id}") { ... on Model { price { ${prices} tiers { aboveInputTokens ${prices} } } } } }`;
    expect(await post(ada.url, ada.token, { query })).toEqual({
      data: {
        node: {
          price: {
            ...{ input: { amount: '2', currency: 'USD' }, output: { amount: '6' } },
            ...{ cachedInput: { amount: '0.5' }, cacheWrite: null },
            tiers: [
              {
                aboveInputTokens: 199_999,
                ...{ input: { amount: '4', currency: 'USD' }, output: { amount: '12' } },
                ...{ cachedInput: { amount: '1' }, cacheWrite: null },
              },
            ],
          },
        },
      },
    });
  }
});

test('the migration makes decimals of the prices that were stored as numbers', async () => {
  const { db } = site.server.app;
  const { workspaceId } = await site.server.signUp();
  const numbers = { inputPrice: 0.01703012, outputPrice: 1e-7, cachedInputPrice: 0.1, cacheWritePrice: null };
  const [row = expect.unreachable()] = await db
    .insert(modelTable)
    .values([
      { workspaceId, provider: 'CUSTOM', baseUrl: 'x', name: 'a', title: 'A', capabilities: [], ...numbers },
    ])
    .returning();
  const migration = readFileSync('drizzle/20261129194441_listed_prices/migration.sql', 'utf8');
  const [, update = expect.unreachable()] = /^(UPDATE .*);$/m.exec(migration) ?? [];
  await db.execute(sql.raw(`${update} AND "id" = '${row.id}'`));
  const [migrated] = await db.select().from(modelTable).where(eq(modelTable.id, row.id));
  expect(migrated?.listedPrice).toEqual({
    ...{ input: '0.01703012', output: '0.0000001', cachedInput: '0.1', cacheWrite: null },
    ...{ cacheWrite1h: null, webSearchPer1000: null, tiers: [] },
  });
});
