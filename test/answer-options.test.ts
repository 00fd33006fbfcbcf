import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEgress, type Egress } from '../src/providers/http/egress.ts';
import {
  type AnswerOptions,
  type AskedModel,
  findRefusedOption,
  NO_OPTIONS,
  optionFacts,
  REASONING_EFFORTS,
} from '../src/providers/options.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { createProviders, type Providers } from '../src/providers/registry.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { ask, asked, callOf, question, scriptedProviders } from './fixtures/ask.ts';
import { eventStream, json } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';

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

const listedModels = (name: ProviderName) => providers[name].listModels(callOf(providers, name));

/** Every effort alone and with every other option. */
const COMBINATIONS: Partial<AnswerOptions>[] = [null, ...REASONING_EFFORTS].flatMap((effort) =>
  [
    {},
    { systemPrompt: 'Be brief.' },
    { temperature: 0 },
    { temperature: 1 },
    { temperature: 1.5 },
    { topP: 0.5 },
    { temperature: 1, topP: 1 },
    { maxOutputTokens: 16 },
    { maxOutputTokens: 1_500 },
    { maxOutputTokens: 4_096, stop: ['END'] },
    { webSearch: false },
  ].map((others) => ({ effort, ...others })),
);

describe.each(PROVIDER_NAMES)('the options of %s', (name) => {
  test('every combination of options that is not refused is accepted by the provider', async () => {
    for (const model of await listedModels(name)) {
      const accepted = COMBINATIONS.map((some) => ({ ...NO_OPTIONS, ...some })).filter(
        (options) => findRefusedOption(providers[name], model, options) === null,
      );
      expect(accepted.length).toBeGreaterThan(2);
      await Promise.all(
        accepted.map(async (options) => {
          const request = question(model.name, { options, model, ...SAY });
          const { error } = await ask(providers, name, request);
          expect({ model: model.name, options, error }).toEqual({ model: model.name, options, error: null });
        }),
      );
    }
  });
});

const SAY = { turns: [{ role: 'user' as const, text: 'simulate: say Fine.' }] };

test('which options each model takes', async () => {
  const rows: string[] = [];
  for (const name of PROVIDER_NAMES) {
    for (const model of await listedModels(name)) {
      const { efforts, defaultEffort, temperature, maxStopWords } = providers[name].optionSupport(model);
      const marked = efforts.map((effort) => (effort === defaultEffort ? `*${effort}` : effort)).join(' ');
      const warmth = temperature === null ? '-' : `${temperature.min}..${temperature.max}`;
      rows.push(`${name} ${model.name} | ${warmth} | ${maxStopWords} | ${marked || '-'}`);
    }
  }
  expect(rows).toMatchInlineSnapshot(`
    [
      "OPENAI gpt-5.6-luna | 0..2 | 0 | NONE LOW *MEDIUM HIGH XHIGH MAX",
      "OPENAI gpt-5.1 | 0..2 | 0 | *NONE LOW MEDIUM HIGH",
      "OPENAI gpt-4.1-nano | 0..2 | 0 | -",
      "OPENAI o4-mini | - | 0 | LOW *MEDIUM HIGH",
      "OPENAI gpt-5.6-pro | - | 0 | *MEDIUM HIGH XHIGH",
      "OPENAI gpt-5.3-codex | - | 0 | LOW MEDIUM HIGH",
      "OPENAI gpt-6-sol | 0..2 | 0 | NONE LOW *MEDIUM HIGH XHIGH MAX",
      "OPENAI gpt-6-astra | - | 0 | LOW MEDIUM HIGH XHIGH MAX",
      "OPENAI gpt-6.1-sol | - | 0 | LOW MEDIUM HIGH XHIGH MAX",
      "OPENAI ft:gpt-4.1-nano:acme::B7x1 | 0..2 | 4 | -",
      "ANTHROPIC claude-opus-4-8 | - | 4 | NONE LOW MEDIUM *HIGH XHIGH MAX",
      "ANTHROPIC claude-sonnet-5 | - | 4 | NONE LOW MEDIUM HIGH XHIGH MAX",
      "ANTHROPIC claude-sonnet-4-5-20250929 | 0..1 | 4 | NONE LOW *MEDIUM HIGH",
      "ANTHROPIC claude-haiku-4-5-20251001 | 0..1 | 4 | NONE LOW *MEDIUM HIGH",
      "ANTHROPIC claude-opus-4-6 | 0..1 | 4 | NONE LOW MEDIUM *HIGH MAX",
      "ANTHROPIC claude-opus-5-5 | - | 4 | LOW *MEDIUM HIGH XHIGH MAX",
      "ANTHROPIC claude-sonnet-5-5 | - | 4 | NONE LOW MEDIUM *HIGH XHIGH MAX",
      "ANTHROPIC claude-haiku-5-5 | - | 4 | NONE LOW *MEDIUM HIGH XHIGH MAX",
      "GEMINI gemini-3-pro-preview | 0..2 | 5 | LOW MEDIUM *HIGH",
      "GEMINI gemini-2.5-flash | 0..2 | 5 | NONE LOW MEDIUM HIGH",
      "GEMINI gemini-2.5-flash-lite | 0..2 | 5 | NONE LOW MEDIUM HIGH",
      "GEMINI gemini-3.8-flash | 0..2 | 5 | MINIMAL LOW MEDIUM *HIGH",
      "GEMINI gemma-3-27b-it | 0..2 | 5 | -",
      "MISTRAL mistral-small-latest | 0..1.5 | 4 | -",
      "MISTRAL mistral-small-2603 | 0..1.5 | 4 | -",
      "MISTRAL mistral-large-latest | 0..1.5 | 4 | -",
      "MISTRAL magistral-medium-latest | 0..1.5 | 4 | -",
      "MISTRAL mistral-medium-2604 | 0..1.5 | 4 | NONE HIGH",
      "PERPLEXITY perplexity/sonar | 0..2 | 0 | -",
      "PERPLEXITY anthropic/claude-sonnet-5 | - | 0 | -",
      "PERPLEXITY openai/gpt-5.6-luna | - | 0 | LOW MEDIUM HIGH",
      "PERPLEXITY google/gemini-3-pro-preview | - | 0 | -",
      "PERPLEXITY preset/fast | - | 0 | -",
      "PERPLEXITY preset/low | - | 0 | -",
      "PERPLEXITY preset/medium | - | 0 | -",
      "PERPLEXITY preset/high | - | 0 | -",
      "PERPLEXITY preset/xhigh | - | 0 | -",
      "XAI grok-4.3 | 0..2 | 0 | NONE *LOW MEDIUM HIGH XHIGH",
      "XAI grok-4-fast-reasoning | 0..2 | 0 | -",
      "XAI grok-3-mini | 0..2 | 0 | LOW *HIGH",
      "XAI grok-4.7 | 0..2 | 0 | LOW MEDIUM *HIGH XHIGH",
      "NOVITA deepseek/deepseek-v3.1 | 0..2 | 4 | -",
      "NOVITA deepseek/deepseek-r1 | 0..2 | 4 | -",
      "NOVITA qwen/qwen3-vl-235b-a22b-instruct | 0..2 | 4 | -",
      "CUSTOM llama3.2:latest | 0..2 | 4 | -",
      "CUSTOM qwen3:8b | 0..2 | 4 | -",
      "CUSTOM gemma3:4b | 0..2 | 4 | -",
    ]
  `);
});

test('a refusal names the option, and says what to do instead', () => {
  const cases: [ProviderName, string, Partial<AnswerOptions>, Partial<AskedModel>?][] = [
    ['OPENAI', 'gpt-5.6-luna', { temperature: 0.5 }],
    ['OPENAI', 'gpt-5.6-luna', { temperature: 0.5, effort: 'NONE' }],
    ['OPENAI', 'o4-mini', { temperature: 0.5 }],
    ['OPENAI', 'o4-mini', { effort: 'MINIMAL' }],
    ['OPENAI', 'gpt-4.1', { effort: 'LOW' }],
    ['OPENAI', 'gpt-4.1', { temperature: 2.5 }],
    ['OPENAI', 'gpt-4.1', { stop: ['END'] }],
    ['OPENAI', 'ft:gpt-4.1:acme::B7x1', { stop: ['1', '2', '3', '4', '5'] }],
    ['OPENAI', 'gpt-4.1', { webSearch: true }],
    ['OPENAI', 'gpt-6-sol', { effort: 'HIGH', maxOutputTokens: 100 }],
    ['OPENAI', 'gpt-4.1', { maxOutputTokens: 40_000 }, { maxOutputTokens: 32_768 }],
    ['ANTHROPIC', 'claude-opus-4-6', { temperature: 0.5, topP: 0.9 }],
    ['ANTHROPIC', 'claude-opus-4-6', { temperature: 0.5 }],
    ['ANTHROPIC', 'claude-opus-4-6', { temperature: 0.5, effort: 'NONE' }],
    ['ANTHROPIC', 'claude-opus-5-5', { temperature: 0.5 }],
    ['ANTHROPIC', 'claude-opus-5-5', { effort: 'NONE' }],
    ['GEMINI', 'gemini-3.8-flash', { effort: 'XHIGH' }],
    ['PERPLEXITY', 'preset/fast', { webSearch: false }],
    ['PERPLEXITY', 'perplexity/sonar', { webSearch: true }],
    ['CUSTOM', 'm', { stop: ['END'] }, { optionFacts: optionFacts({ parameters: ['temperature'] }) }],
  ];
  const said = cases.map(([name, model, options, known]) => {
    const refusal = findRefusedOption(providers[name], asked(model, known), { ...NO_OPTIONS, ...options });
    return `${model}: ${refusal === null ? 'taken' : `${refusal.option}: … ${refusal.reason}`}`;
  });
  expect(said).toMatchInlineSnapshot(`
    [
      "gpt-5.6-luna: temperature: … takes no temperature while it reasons; choose the effort NONE or leave the temperature out",
      "gpt-5.6-luna: taken",
      "o4-mini: temperature: … takes no temperature; leave it out",
      "o4-mini: effort: … does not take the effort MINIMAL; choose LOW, MEDIUM, or HIGH",
      "gpt-4.1: effort: … takes no effort; leave it out",
      "gpt-4.1: temperature: … takes no temperature of 2.5; choose one from 0 to 2",
      "gpt-4.1: stop: … takes no stop words; leave them out",
      "ft:gpt-4.1:acme::B7x1: stop: … takes at most 4 stop words; leave some out",
      "gpt-4.1: webSearch: … cannot search the web yet, which comes later; leave the web search out or choose a model of Perplexity",
      "gpt-6-sol: maxOutputTokens: … needs an output limit of at least 1,024 for the effort HIGH; raise the limit or choose a lower effort",
      "gpt-4.1: maxOutputTokens: … takes no output limit of 40,000; choose one from 16 to 32,768",
      "claude-opus-4-6: topP: … takes no top-p beside a temperature; leave one of the two out",
      "claude-opus-4-6: temperature: … takes no temperature other than 1 while it thinks; choose the effort NONE or leave the temperature out",
      "claude-opus-4-6: taken",
      "claude-opus-5-5: temperature: … takes no temperature; leave it out",
      "claude-opus-5-5: effort: … does not take the effort NONE; choose LOW, MEDIUM, HIGH, XHIGH, or MAX",
      "gemini-3.8-flash: effort: … does not take the effort XHIGH; choose MINIMAL, LOW, MEDIUM, or HIGH",
      "preset/fast: webSearch: … always searches the web; leave the web search out or choose a model that is no preset",
      "perplexity/sonar: taken",
      "m: stop: … takes no stop words; leave them out",
    ]
  `);
});

test('a model that Responses refuses is asked by chat completions', async () => {
  const answer = eventStream([data({ choices: [{ delta: { content: 'Fine.' }, finish_reason: 'stop' }] })]);
  for (const [status, message] of [
    [400, 'The requested model is not supported with the Responses API.'],
    [404, 'This model is only supported in v1/chat/completions and not in v1/responses.'],
    [404, 'Invalid URL (POST /v1/responses)'],
  ] as const) {
    const { providers: scripted } = scriptedProviders(({ url }) =>
      url.endsWith('/responses') ? json({ error: { message } }, status) : answer,
    );
    expect(await ask(scripted, 'OPENAI', question('gpt-9'))).toMatchObject({ text: 'Fine.', error: null });
  }
});

test('an organisation that may not see summaries gets the answer, and its effort', async () => {
  const done = eventStream([data({ type: 'response.completed', response: { status: 'completed' } })]);
  const { providers: scripted, egress: scriptedEgress } = scriptedProviders(({ body = '' }) =>
    body.includes('"summary"')
      ? json({ error: { message: 'Your organization must be verified.', param: 'reasoning.summary' } }, 400)
      : done,
  );
  await ask(scripted, 'OPENAI', question('gpt-6-sol', { options: { effort: 'LOW' } }));
  expect(JSON.parse(scriptedEgress.requests[1]?.body ?? '{}').reasoning).toEqual({ effort: 'low' });
});
