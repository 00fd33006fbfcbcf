import { beforeAll, describe, expect, test } from 'vitest';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { type AddedKey, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';

/** What is known about the models of each provider, and who said so. */

const site = useSite();
const keys = new Map<ProviderName, AddedKey>();

beforeAll(async () => {
  await Promise.all(
    PROVIDER_NAMES.map(async (provider) => {
      const more = provider === 'CUSTOM' ? { baseUrl: site.server.simulator.baseUrls.CUSTOM } : {};
      keys.set(provider, await site.ada.addKey(provider, `sk-sim-${crypto.randomUUID()}`, more));
    }),
  );
});

interface Known {
  id: string;
  name: string;
  contextWindow: number | null;
  maxOutputTokens: number | null;
  capabilities: string[];
  optionSupport: { efforts: string[] };
  price: { input: { amount: string } } | null;
  shutdownAt: string | null;
  replacement: { name: string } | null;
  factSources: { field: string; source: string; asOf: string }[];
}

const FIELDS = `id name contextWindow maxOutputTokens capabilities optionSupport { efforts } price { input { amount } }
  shutdownAt replacement { name } factSources { field source asOf }`;

/** The models of the provider that Ada's workspace knows. */
async function modelsOf(provider: ProviderName): Promise<Known[]> {
  const { url, token, workspaceId } = site.ada;
  const query = `{ workspace(id: "${workspaceId}") {
    models(first: 200, filter: { provider: ${provider} }) { nodes { ${FIELDS} } } } }`;
  const { data, errors } = await post(url, token, { query });
  const workspace = data?.workspace ?? expect.unreachable(JSON.stringify(errors));
  return (workspace as { models: { nodes: Known[] } }).models.nodes;
}

/** Each field that is known with its source, and the day of a source that is not a list. */
function sourcesOf({ factSources }: Known): string {
  return factSources
    .map(({ field, source, asOf }) =>
      source === 'PROVIDER' ? `${field} ${source}` : `${field} ${source} ${asOf.slice(0, 10)}`,
    )
    .join(', ');
}

describe.for(PROVIDER_NAMES)('the models of %s', (provider) => {
  test('have a source for each fact that is known, and none for what is not', async () => {
    const models = await modelsOf(provider);
    expect(models.length).toBeGreaterThan(0);
    for (const { factSources, optionSupport, ...fields } of models) {
      const { id: _, name: __, ...facts } = { ...fields, efforts: optionSupport.efforts };
      const known = Object.entries(facts).filter(([, value]) =>
        Array.isArray(value) ? value.length > 0 : value !== null,
      );
      expect(new Set(factSources.map(({ field }) => field))).toEqual(new Set(known.map(([name]) => name)));
      for (const { source, asOf } of factSources.filter((each) => each.source === 'PROVIDER'))
        expect([source, Math.abs(Date.now() - Date.parse(asOf)) < 600_000]).toEqual(['PROVIDER', true]);
      for (const { asOf } of factSources.filter((each) => each.source !== 'PROVIDER'))
        expect(asOf).toMatch(/^20\d\d-\d\d-\d\dT00:00:00\.000Z$/);
    }
  });
});

test('facts say which of them a provider listed and which are stated by hand', async () => {
  const rows: string[] = [];
  for (const provider of PROVIDER_NAMES)
    for (const model of await modelsOf(provider)) rows.push(`${provider} ${model.name}: ${sourcesOf(model)}`);
  expect(rows).toMatchInlineSnapshot(`
    [
      "OPENAI gpt-5.6-luna: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI gpt-5.1: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI gpt-4.1-nano: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI o4-mini: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23, shutdownAt PROVIDER",
      "OPENAI gpt-5.6-pro: capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28",
      "OPENAI gpt-5.3-codex: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI gpt-6-sol: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI gpt-6-astra: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "OPENAI gpt-6.1-sol: capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28",
      "OPENAI ft:gpt-4.1-nano:acme::B7x1: capabilities MANUAL 2026-11-28",
      "ANTHROPIC claude-opus-4-8: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-sonnet-5: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-sonnet-4-5-20250929: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-haiku-4-5-20251001: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-opus-4-6: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-opus-5-5: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, price PRICE_LIST 2026-09-23",
      "ANTHROPIC claude-sonnet-5-5: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, efforts MANUAL 2026-11-28",
      "ANTHROPIC claude-haiku-5-5: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, efforts PROVIDER, efforts MANUAL 2026-11-28",
      "GEMINI gemini-3-pro-preview: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "GEMINI gemini-2.5-flash: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "GEMINI gemini-2.5-flash-lite: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "GEMINI gemini-3.8-flash: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "GEMINI gemma-3-27b-it: contextWindow PROVIDER, maxOutputTokens PROVIDER",
      "MISTRAL mistral-small-latest: contextWindow PROVIDER, capabilities PROVIDER, price PRICE_LIST 2026-09-23",
      "MISTRAL mistral-small-2603: contextWindow PROVIDER, capabilities PROVIDER, price PRICE_LIST 2026-09-23",
      "MISTRAL mistral-large-latest: contextWindow PROVIDER, capabilities PROVIDER, price PRICE_LIST 2026-09-23",
      "MISTRAL magistral-medium-latest: contextWindow PROVIDER, capabilities PROVIDER, price PRICE_LIST 2026-09-23, shutdownAt PROVIDER, replacement PROVIDER",
      "MISTRAL mistral-medium-2604: contextWindow PROVIDER, capabilities PROVIDER, efforts MANUAL 2026-11-28, price PRICE_LIST 2026-09-23",
      "PERPLEXITY perplexity/sonar: contextWindow PRICE_LIST 2026-09-22, capabilities MANUAL 2026-11-28, price PROVIDER",
      "PERPLEXITY anthropic/claude-sonnet-5: capabilities MANUAL 2026-11-28, price PROVIDER",
      "PERPLEXITY openai/gpt-5.6-luna: capabilities MANUAL 2026-11-28, efforts MANUAL 2026-11-28, price PROVIDER",
      "PERPLEXITY google/gemini-3-pro-preview: capabilities MANUAL 2026-11-28, price PROVIDER",
      "PERPLEXITY preset/fast: capabilities MANUAL 2026-11-28",
      "PERPLEXITY preset/low: capabilities MANUAL 2026-11-28",
      "PERPLEXITY preset/medium: capabilities MANUAL 2026-11-28",
      "PERPLEXITY preset/high: capabilities MANUAL 2026-11-28",
      "PERPLEXITY preset/xhigh: capabilities MANUAL 2026-11-28",
      "XAI grok-4.3: contextWindow PROVIDER, capabilities PROVIDER, efforts PROVIDER, price PROVIDER",
      "XAI grok-4-fast-reasoning: contextWindow PROVIDER, capabilities PROVIDER, price PROVIDER",
      "XAI grok-3-mini: contextWindow PROVIDER, capabilities PROVIDER, efforts PROVIDER, price PROVIDER",
      "XAI grok-4.7: contextWindow PROVIDER, capabilities PROVIDER, efforts PROVIDER, price PROVIDER",
      "NOVITA deepseek/deepseek-v3.1: contextWindow PROVIDER, maxOutputTokens PROVIDER, price PROVIDER",
      "NOVITA deepseek/deepseek-r1: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, price PROVIDER",
      "NOVITA qwen/qwen3-vl-235b-a22b-instruct: contextWindow PROVIDER, maxOutputTokens PROVIDER, capabilities PROVIDER, price PROVIDER",
      "CUSTOM llama3.2:latest: contextWindow PROVIDER",
      "CUSTOM qwen3:8b: contextWindow PROVIDER",
      "CUSTOM gemma3:4b: contextWindow PROVIDER",
    ]
  `);
});
