import { afterEach, expect, test, vi } from 'vitest';
import { readModelName } from '../src/models/model-name.ts';
import { listedModel } from '../src/providers/model-list.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { listInstead } from './kit/altered-provider.ts';
import { type Person, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';

/** In which order a person who chooses a model meets those that can be asked. */

const site = useSite();
afterEach(() => vi.restoreAllMocks());

/** The names of the models of a person's workspace, the most relevant first. */
async function namesInOrder({ url, token, workspaceId }: Person, filter = '{}'): Promise<string[]> {
  const order = `filter: ${filter}, orderBy: { field: RELEVANCE, direction: DESC }`;
  const query = `{ workspace(id: "${workspaceId}") { models(first: 250, ${order}) { nodes { name } } } }`;
  const { data, errors } = await post(url, token, { query });
  const workspace = data?.workspace ?? expect.unreachable(JSON.stringify(errors));
  return (workspace as { models: { nodes: { name: string }[] } }).models.nodes.map(({ name }) => name);
}

/** Adds a key whose provider lists these models. */
async function addKeyListing(person: Person, names: readonly string[]): Promise<void> {
  const models = names.map((name) => listedModel(name));
  listInstead(site.server, 'OPENAI', models);
  await person.addKey('OPENAI');
}

test('the models of the simulated providers come provider by provider, newer versions first, snapshots behind', async () => {
  for (const provider of PROVIDER_NAMES) {
    const more = provider === 'CUSTOM' ? { baseUrl: site.server.simulator.baseUrls.CUSTOM } : {};
    await site.ada.addKey(provider, `sk-sim-${crypto.randomUUID()}`, more);
  }
  expect(await namesInOrder(site.ada)).toMatchInlineSnapshot(`
    [
      "gpt-6.1-sol",
      "gpt-6-sol",
      "gpt-6-astra",
      "gpt-5.6-luna",
      "gpt-5.6-pro",
      "gpt-5.3-codex",
      "gpt-5.1",
      "gpt-4.1-nano",
      "ft:gpt-4.1-nano:acme::B7x1",
      "o4-mini",
      "claude-opus-5-5",
      "claude-sonnet-5-5",
      "claude-haiku-5-5",
      "claude-sonnet-5",
      "claude-opus-4-8",
      "claude-opus-4-6",
      "claude-sonnet-4-5-20250929",
      "claude-haiku-4-5-20251001",
      "gemini-3.8-flash",
      "gemini-3-pro-preview",
      "gemini-2.5-flash",
      "gemini-2.5-flash-lite",
      "gemma-3-27b-it",
      "mistral-small-latest",
      "mistral-large-latest",
      "mistral-medium-2604",
      "magistral-medium-latest",
      "mistral-small-2603",
      "perplexity/sonar",
      "anthropic/claude-sonnet-5",
      "openai/gpt-5.6-luna",
      "google/gemini-3-pro-preview",
      "preset/fast",
      "preset/low",
      "preset/medium",
      "preset/high",
      "preset/xhigh",
      "grok-4.7",
      "grok-4.3",
      "grok-4-fast-reasoning",
      "grok-3-mini",
      "deepseek/deepseek-v3.1",
      "deepseek/deepseek-r1",
      "qwen/qwen3-vl-235b-a22b-instruct",
      "llama3.2:latest",
      "qwen3:8b",
      "gemma3:4b",
    ]
  `);
});

test('providers come in the order in which their first key was added, whatever the filter', async () => {
  const eve = await site.server.signUp('Eve');
  for (const provider of ['XAI', 'ANTHROPIC', 'XAI']) await eve.addKey(provider);
  const all = await namesInOrder(eve);
  expect(all.slice(0, 2)).toEqual(['grok-4.7', 'grok-4.3']);
  const found = await namesInOrder(eve, '{ search: "5" }');
  expect(found).toEqual(all.filter((name) => name.includes('5')));
});

test('a list with many snapshots begins with the models that they are of, and ends with the snapshots, newest first', async () => {
  const eve = await site.server.signUp('Eve');
  const names = `gpt-4-0613 gpt-4 gpt-3.5-turbo o3 gpt-4o-2024-05-13 gpt-4o-2024-11-20 gpt-4o gpt-4o-mini chatgpt-4o-latest
    gpt-4.1 gpt-5-2025-08-07 gpt-5 gpt-5-mini o1 gpt-4-1106`;
  await addKeyListing(eve, names.split(/\s+/));
  expect((await namesInOrder(eve)).join(' ')).toMatchInlineSnapshot(
    `"gpt-5 gpt-5-mini gpt-4.1 gpt-4 gpt-4o gpt-4o-mini gpt-3.5-turbo chatgpt-4o-latest o3 o1 gpt-5-2025-08-07 gpt-4-1106 gpt-4-0613 gpt-4o-2024-11-20 gpt-4o-2024-05-13"`,
  );
});

test('the models of a gateway are listed maker by maker', async () => {
  const eve = await site.server.signUp('Eve');
  const names = `meta/llama-3.1-8b google/gemma-3-27b google/gemini-2.5-pro meta/llama-4-scout google/gemini-3-pro
    deepseek/deepseek-chat-v3-0324:free deepseek/deepseek-chat-v3:free deepseek/deepseek-v3.2`;
  await addKeyListing(eve, names.split(/\s+/));
  expect((await namesInOrder(eve)).join(' ')).toMatchInlineSnapshot(
    `"meta/llama-4-scout meta/llama-3.1-8b google/gemma-3-27b google/gemini-3-pro google/gemini-2.5-pro deepseek/deepseek-v3.2 deepseek/deepseek-chat-v3:free deepseek/deepseek-chat-v3-0324:free"`,
  );
});

test.for([
  ['gpt-6.1-sol', 'gpt-6-sol'],
  ['claude-opus-5-5', 'claude-opus-5'],
  ['claude-opus-4-1-20250805', 'claude-opus-4-20250514'],
  ['gemini-3.8-flash', 'gemini-2.5-flash-preview'],
  ['gpt-5.10', 'gpt-5.9'],
  ['gpt-5-mini', 'gpt-4o-mini'],
  ['qwen3-32b', 'qwen2.5-32b'],
  ['o3', 'o1'],
  ['llama-3.3-70b', 'llama-3.1-8b'],
] as const)('%s has a newer version than %s', ([left, right]) => {
  expect(readModelName(left).version).toBeGreaterThan(readModelName(right).version);
});

test.for([
  ['gpt-6-sol-2026-03-01', 'gpt-6-sol', 20_260_301],
  ['claude-haiku-4-5-20251001', 'claude-haiku-4-5', 20_251_001],
  ['mistral-large-2512', 'mistral-large', 20_251_200],
  ['gemini-2.5-flash-preview-09-2025', 'gemini-2.5-flash', 20_250_900],
  ['gemini-2.5-pro-preview-06-05', 'gemini-2.5-pro', 605],
  ['gpt-4-0613', 'gpt-4', 613],
  ['mistral-large-latest', 'mistral-large', null],
  ['gemini-3-pro-preview', 'gemini-3-pro', null],
  ['gpt-6-luna', 'gpt-6-luna', null],
] as const)('%s is a name of %s with the date %s', ([name, undated, date]) => {
  expect(readModelName(name)).toMatchObject({ undated, date });
});
