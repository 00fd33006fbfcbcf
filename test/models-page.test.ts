import { beforeAll, expect, test, vi } from 'vitest';
import { listedModel } from '../src/providers/model-list.ts';
import { REASONING_EFFORTS } from '../src/providers/options.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { liftCheckLimits, listInstead } from './kit/altered-provider.ts';
import { recipe, tableBelow } from './kit/pages.ts';
import { type AddedKey, type NamedModel, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

/** docs/models.md says how models are listed, asked and made, and the real server agrees. */

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

const modelsOf = (provider: ProviderName) => keys.get(provider)?.models ?? expect.unreachable();

function named(name: string): NamedModel {
  const found = PROVIDER_NAMES.flatMap(modelsOf).find((model) => model.name === name);
  return found ?? expect.unreachable(`no provider lists ${name}`);
}

/** Runs a document of the page as it is printed there, and gives its only field. */
async function run<Result>(document: string, variables: object): Promise<Result> {
  const { url } = site.server;
  const { data, errors } = await post(url, site.ada.token, { query: recipe(document, url), variables });
  expect(errors).toBeUndefined();
  return Object.values(data ?? {})[0] as Result;
}

interface Support {
  efforts: string[];
  temperature: Range | null;
  topP: Range | null;
  maxOutputTokens: Range | null;
  maxStopWords: number;
  supportsSystemPrompt: boolean;
  supportsWebSearch: boolean;
}

interface Range {
  min: number;
  max: number;
}

async function supportOf({ id }: NamedModel): Promise<Support> {
  const { optionSupport } = await run<{ optionSupport: Support }>('option-support', { modelId: id });
  return optionSupport;
}

test('the page says which options the models of each provider take', async () => {
  const rows: string[][] = [];
  for (const provider of PROVIDER_NAMES) {
    const supports = await Promise.all(modelsOf(provider).map(supportOf));
    for (const { supportsSystemPrompt, supportsWebSearch } of supports)
      expect({ supportsSystemPrompt, supportsWebSearch }).toEqual({
        supportsSystemPrompt: true,
        supportsWebSearch: provider === 'PERPLEXITY',
      });
    rows.push([
      site.server.app.providers[provider].title,
      inWords(supports.map(({ temperature }) => rangeInWords(temperature))),
      inWords(supports.map(({ topP }) => rangeInWords(topP))),
      inWords(supports.map(({ maxStopWords }) => (maxStopWords === 0 ? null : `up to ${maxStopWords}`))),
      inWords(supports.map(({ maxOutputTokens }) => maxOutputTokens && `${maxOutputTokens.min}`)),
      effortsInWords(supports),
    ]);
  }
  expect(tableBelow('docs/models.md', 'Options of an answer')).toEqual(rows);
});

function rangeInWords(range: Range | null): string | null {
  return range && `${range.min} to ${range.max}`;
}

function effortsInWords(supports: readonly Support[]): string {
  const efforts = REASONING_EFFORTS.filter((effort) =>
    supports.some((each) => each.efforts.includes(effort)),
  );
  const together = efforts.map((effort) => `\`${effort}\``).join(' ');
  return inWords(supports.map((each) => (each.efforts.length === 0 ? null : together)));
}

/** What the models take, each value once; null for a model that does not take the option. */
function inWords(values: readonly (string | null)[]): string {
  const taken = [...new Set(values.filter((value) => value !== null))].toSorted();
  return [...taken, ...(values.includes(null) ? ['not taken'] : [])].join(' or ');
}

interface Facts {
  contextWindow: number | null;
  price: { tiers: object[] } | null;
  factSources: { field: string; source: keyof typeof SOURCES }[];
}

const SOURCES = { PROVIDER: 'its list', PRICE_LIST: 'price list', MANUAL: 'by hand' };

test('the page says where the facts about the models of each provider come from', async () => {
  const rows: string[][] = [];
  for (const provider of PROVIDER_NAMES) {
    const facts = await Promise.all(
      modelsOf(provider).map(({ id }) => run<Facts>('model-facts', { modelId: id })),
    );
    const sourcesOf = (field: string) => {
      const found = facts.map(({ factSources }) => factSources.filter((each) => each.field === field));
      const known = Object.entries(SOURCES).filter(([name]) =>
        found.flat().some(({ source }) => source === name),
      );
      const isLacking = found.some((sources) => sources.length === 0);
      return [...known.map(([, words]) => words), ...(isLacking ? ['unknown'] : [])].join(' or ');
    };
    const fields = ['contextWindow', 'maxOutputTokens', 'capabilities', 'efforts', 'price'];
    rows.push([site.server.app.providers[provider].title, ...fields.map(sourcesOf)]);
  }
  expect(tableBelow('docs/models.md', 'What is known of a model')).toEqual(rows);
});

interface Sent {
  answers?: { id: string; options: object }[];
  fields?: { path: string; message: string }[];
}

async function ask(...asked: { name: string; options: object }[]): Promise<Sent> {
  const { id: threadId } = await newThread(site.ada);
  const answers = asked.map(({ name, options }) => ({ modelId: named(name).id, options }));
  return await run<Sent>('ask-with-options', { threadId, text: 'How do I begin?', answers });
}

test('options that exclude each other are refused with the sentences of the page', async () => {
  const rows = tableBelow('docs/models.md', 'What excludes what').map((cells) =>
    cells.map((cell) => cell.replaceAll('`', '')),
  );
  const seen: string[][] = [];
  for (const [name = '', options = ''] of rows) {
    const { fields } = await ask({ name, options: JSON.parse(options) });
    seen.push([name, options, fields?.[0]?.message ?? 'not refused']);
  }
  expect(rows).toEqual(seen);

  const [name = '', options = ''] = rows[0] ?? [];
  const refused = await ask({ name, options: {} }, { name, options: JSON.parse(options) });
  expect(refused).toEqual(JSON.parse(recipe('refused-option', site.server.url)));
});

test('the variant of the page is made, listed first as a favourite, asked, and shows its reasoning', async () => {
  const { workspaceId } = site.ada;
  const base = named('claude-sonnet-5');
  const variant = JSON.parse(recipe('variant-input', site.server.url));
  const { model } = await run<{ model: { id: string } }>('make-variant', {
    input: { workspaceId, baseModelId: base.id, ...variant },
  });
  expect(model).toMatchObject({ ...variant, baseModel: { id: base.id }, viewerCanEdit: true });

  const listed = async (filter: object) =>
    (await run<{ models: { nodes: object[] } }>('list-models', { workspaceId, filter })).models.nodes;
  await run('prefer-model', { workspaceId, modelId: model.id });
  expect((await listed({}))[0]).toMatchObject({ id: model.id, isFavorite: true, isAvailable: true });
  expect(await listed({ search: 'COACH patient' })).toMatchObject([{ id: model.id }]);

  const { id: threadId } = await newThread(site.ada);
  const { answers } = await run<Sent>('ask-with-options', {
    ...{ threadId, text: 'Hello\nsimulate: say Fine.' },
    answers: [{ modelId: model.id, options: { effort: 'LOW' } }],
  });
  expect(answers).toMatchObject([{ options: { ...variant.options, effort: 'LOW' } }]);

  const client = site.ada.socket();
  const query = recipe('follow-reasoning', site.server.url);
  const events = await Array.fromAsync(client.iterate({ query, variables: { answerId: answers?.[0]?.id } }));
  await client.dispose();
  expect(events.at(-1)?.data).toMatchObject({
    answerEvents: {
      answer: {
        text: 'Fine.',
        reasoning: expect.stringContaining('A short and friendly reply'),
      },
    },
  });
});

test('the changes of a list are followed with the document of the page, and have the messages of its table', async () => {
  const { server } = site;
  liftCheckLimits(server);
  const eve = await server.signUp('Eve');
  const gpt5 = listedModel('gpt-5', { replacementName: 'gpt-6' });
  const shutdownAt = new Date(Date.now() + 10 * 24 * 60 * 60_000);
  const lists = [[gpt5], [gpt5, listedModel('gpt-6')], [{ ...gpt5, shutdownAt }, listedModel('gpt-6')]];
  listInstead(server, 'OPENAI', lists[0] ?? []);
  const { apiKey } = await eve.addKey('OPENAI');
  const client = eve.socket();
  const query = recipe('follow-models', server.url);
  const events = client.iterate({ query, variables: { workspaceId: eve.workspaceId } });
  await events.next();
  const seen = new Map<string, string>();
  for (const models of [...lists.slice(1), [listedModel('gpt-6')]]) {
    listInstead(server, 'OPENAI', models);
    await eve.run('check-api-key', { input: { id: apiKey.id } });
    const { data } = (await events.next()).value ?? {};
    const { workspaceEvents } = data as { workspaceEvents: ModelsUpdated };
    for (const field of ['added', 'removed', 'shuttingDown'] as const)
      if (workspaceEvents[field].length > 0) seen.set(`\`${field}\``, `${workspaceEvents.message}`);
  }
  await client.dispose();
  vi.restoreAllMocks();
  const rows = tableBelow('docs/models.md', 'How lists stay current').slice(0, 3);
  const day = shutdownAt.toISOString().slice(0, 10);
  const inTable = rows.map(([field = '', , message = '']) => [field, message.replaceAll('`', '')]);
  expect(Object.fromEntries(inTable)).toEqual(
    Object.fromEntries([...seen].map(([field, message]) => [field, message.replace(day, '2026-12-10')])),
  );
});

interface ModelsUpdated {
  added: object[];
  removed: object[];
  shuttingDown: object[];
  message: string | null;
}

test('a model is added by its name, and one that the provider does not have is not', async () => {
  const apiKeyId = keys.get('OPENAI')?.apiKey.id;
  const name = 'gpt-sim-burst'; // answered, and listed to no key
  expect(await run('add-model', { apiKeyId, name })).toMatchObject({ model: { name, isAvailable: true } });
  expect(await run('add-model', { apiKeyId, name: 'no-such-model' })).toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
});
