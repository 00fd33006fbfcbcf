import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEgress, type Egress } from '../src/providers/http/egress.ts';
import { PROVIDER_NAMES, type ProviderName, type TokenUsage, type Turn } from '../src/providers/provider.ts';
import { createProviders, type Providers } from '../src/providers/registry.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { ask, question } from './fixtures/ask.ts';
import { listed, REASONERS } from './kit/listed.ts';
import { startTestServer } from './kit/server.ts';

let simulator: Simulator;
let egress: Egress;
let providers: Providers;

beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
  egress = createEgress({ allowedPrivateHosts: [] });
  providers = createProviders({ egress, urls: simulator.baseUrls });
});

afterAll(async () => {
  await egress?.close();
  await simulator?.close();
});

const TURNS = 20;

/** Holds a conversation, and returns what each turn was counted as. */
async function converse(name: ProviderName, cacheKey: string | null): Promise<TokenUsage[]> {
  const model = await listed(providers, name, REASONERS[name]);
  const turns: Turn[] = [];
  const usages: TokenUsage[] = [];
  for (let count = 1; count <= TURNS; count++) {
    turns.push({
      role: 'user',
      text: `Question ${count} of ${cacheKey ?? 'thr_uncached'}\nsimulate: tokens=200`,
    });
    const request = question(model.name, { model, turns: [...turns], cacheKey });
    const { text, kept, usage, error } = await ask(providers, name, request);
    expect(error).toBeNull();
    turns.push({ role: 'assistant', text, ...(kept !== null && { kept }) });
    if (usage !== null) usages.push(usage);
  }
  return usages;
}

describe.each(PROVIDER_NAMES)('a long conversation with %s', (name) => {
  test('a turn begins with the bytes of the turn before it', async () => {
    const before = simulator.requests.length;
    await converse(name, 'thr_prefix');
    const bodies = simulator.requests.slice(before).filter(({ method }) => method === 'POST');
    expect(bodies).toHaveLength(TURNS);
    const sent = bodies.map(({ body }) => {
      const { messages, input, contents } = JSON.parse(body);
      return JSON.stringify(messages ?? input ?? contents).slice(0, -1);
    });
    for (const [index, text] of sent.slice(1).entries())
      expect(text.startsWith(sent[index] ?? '-')).toBe(true);
  });
});

test('a conversation of twenty turns is billed for fewer tokens where the provider is asked to cache it', {
  timeout: 120_000,
}, async () => {
  const rows: string[] = [];
  for (const name of PROVIDER_NAMES) {
    const usages = await Promise.all([converse(name, null), converse(name, 'thr_billed')]);
    const [without, cached] = usages.map(billed);
    rows.push(`${name}: ${without} without, ${cached} with`);
  }
  expect(rows).toMatchInlineSnapshot(`
    [
      "OPENAI: 39720 without, 10445 with",
      "ANTHROPIC: 39720 without, 10445 with",
      "GEMINI: 9455 without, 9455 with",
      "MISTRAL: 39720 without, 9455 with",
      "PERPLEXITY: 39720 without, 39720 with",
      "XAI: 39720 without, 9455 with",
      "NOVITA: 39720 without, 39720 with",
      "CUSTOM: 39720 without, 39720 with",
    ]
  `);
});

test.each([
  ['on', { prompt_cache_key: expect.any(String) }, { cache_control: { type: 'ephemeral', ttl: '5m' } }],
  ['off', {}, {}],
])(
  'with LATCHKEY_PROMPT_CACHING=%s OpenAI is told %j and Anthropic %j',
  async (setting, toOpenAi, toAnthropic) => {
    await using server = await startTestServer({ LATCHKEY_PROMPT_CACHING: setting }, { simulator });
    const ada = await server.signUp();
    const told: object[] = [];
    for (const [provider, fields] of Object.entries(CACHE_FIELDS)) {
      const { models } = await ada.addKey(provider);
      const text = `Question ${crypto.randomUUID()}`;
      const { thread } = await ada.ask(text, models.slice(0, 1));
      const { body } = await simulator.waitForRequest((request) => request.body.includes(text));
      const sent = Object.entries(JSON.parse(body)).filter(([name]) => fields.includes(name));
      told.push(Object.fromEntries(sent));
      expect(body).not.toContain(ada.id);
      if (provider === 'OPENAI' && setting === 'on') expect(body).toContain(thread.id);
    }
    expect(told).toEqual([toOpenAi, toAnthropic]);
  },
);

const CACHE_FIELDS = { OPENAI: ['prompt_cache_key'], ANTHROPIC: ['cache_control'] };

/** Input tokens at the price of plain input: reads cost a tenth of it, writes a quarter more where they are counted. */
function billed(usages: readonly TokenUsage[]): number {
  const total = usages.reduce((sum, { inputTokens, cachedInputTokens, cacheWriteTokens }) => {
    const cached = cachedInputTokens ?? 0;
    return sum + (inputTokens ?? 0) - 0.9 * cached + 0.25 * (cacheWriteTokens ?? 0);
  }, 0);
  return Math.round(total);
}
