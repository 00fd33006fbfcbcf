import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { models as modelTable } from '../src/db/tables/model.ts';
import { cleanModels } from '../src/models/save-models.ts';
import { listedModel } from '../src/providers/model-list.ts';
import type { ListedModel } from '../src/providers/provider.ts';
import { callOf, scriptedProviders } from './fixtures/ask.ts';
import { json } from './fixtures/scripted-egress.ts';
import { liftCheckLimits, listInstead } from './kit/altered-provider.ts';
import { follow } from './kit/answer.ts';
import { newTeam, signUpCast, teamWorkspace } from './kit/people.ts';
import { type AddedKey, type Person, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { recordStatements } from './kit/statements.ts';

/** When a provider shuts a model down and which model it names instead, from its list to the client. */

const site = useSite();
beforeAll(() => liftCheckLimits(site.server));
afterEach(() => vi.restoreAllMocks());

interface Shown {
  id: string;
  name: string;
  shutdownAt: string | null;
  replacement: { id: string; name: string } | null;
  factSources: { field: string }[];
}

interface ModelsUpdated {
  __typename: string;
  models: { id: string }[];
}

const FIELDS = 'id name shutdownAt replacement { id name } factSources { field }';

async function modelsShown({ url, token, workspaceId }: Person): Promise<Shown[]> {
  const query = `{ workspace(id: "${workspaceId}") { models(first: 500) { nodes { ${FIELDS} } } } }`;
  const { data, errors } = await post(url, token, { query });
  const workspace = data?.workspace ?? expect.unreachable(JSON.stringify(errors));
  return (workspace as { models: { nodes: Shown[] } }).models.nodes;
}

const named = (models: readonly Shown[], name: string) =>
  models.find((model) => model.name === name) ?? expect.unreachable(name);

/** From now on, until mocks are restored, OpenAI lists these models. */
function list(...models: ListedModel[]): void {
  listInstead(site.server, 'OPENAI', models);
}

const check = (person: Person, { apiKey }: AddedKey) =>
  person.run('check-api-key', { input: { id: apiKey.id } });

const SOON = new Date('2027-05-01T00:00:00Z');
const LATER = new Date('2027-06-01T00:00:00Z');

test('the shutdown and the replacement in the lists of OpenAI and Mistral are shown with their source', async () => {
  const ada = await site.server.signUp();
  await ada.addKey('OPENAI');
  await ada.addKey('MISTRAL');
  const models = await modelsShown(ada);
  const successor = named(models, 'mistral-medium-2604');
  expect(named(models, 'magistral-medium-latest')).toMatchObject({
    shutdownAt: '2090-03-31T12:00:00.000Z',
    replacement: { id: successor.id },
    factSources: expect.arrayContaining([
      expect.objectContaining({ field: 'shutdownAt' }),
      expect.objectContaining({ field: 'replacement' }),
    ]),
  });
  expect(named(models, 'o4-mini')).toMatchObject({
    shutdownAt: '2090-04-30T23:59:59.000Z',
    replacement: null,
  });
  expect(successor).toMatchObject({ shutdownAt: null, replacement: null });
  expect(models.filter(({ shutdownAt }) => shutdownAt !== null)).toHaveLength(2);
});

test('a changed date and replacement are stored at the next check, sent to followers, and shown by variants', async () => {
  const ada = await site.server.signUp();
  list(listedModel('gpt-old', { shutdownAt: SOON }), listedModel('gpt-new'));
  const key = await ada.addKey('OPENAI');
  const { id } = named(await modelsShown(ada), 'gpt-old');
  const input = { workspaceId: ada.workspaceId, baseModelId: id, title: 'Mine' };
  const { model: variant } = await ada.run<{ model: Shown }>('create-model-variant', { input });
  const client = ada.socket();
  const events = follow<ModelsUpdated>(client, 'workspace-events', {
    workspaceId: ada.workspaceId,
  });
  expect((await events.next()).value).toMatchObject({ __typename: 'WorkspaceSnapshot' });
  list(listedModel('gpt-old', { shutdownAt: LATER, replacementName: 'gpt-new' }), listedModel('gpt-new'));
  await check(ada, key);
  const updated = (await events.next()).value as ModelsUpdated;
  expect(updated.__typename).toBe('ModelsUpdated');
  expect(updated.models.map((model) => model.id).sort()).toEqual([id, variant.id].sort());
  const models = await modelsShown(ada);
  for (const changed of models.filter((model) => model.name === 'gpt-old'))
    expect(changed).toMatchObject({
      shutdownAt: LATER.toISOString(),
      replacement: { id: named(models, 'gpt-new').id },
    });
  list(listedModel('gpt-old'), listedModel('gpt-new'));
  await check(ada, key);
  for (const changed of await modelsShown(ada))
    expect(changed).toMatchObject({ shutdownAt: null, replacement: null, factSources: [] });
  await events.return(undefined);
  await client.dispose();
});

test('a variant in a workspace of a team has the replacement that the team knows', async () => {
  const cast = await signUpCast(site.server);
  const teamId = await newTeam(cast.owner);
  const workspaceId = await teamWorkspace(cast, teamId);
  const added = await cast.owner.run<AddedKey>('add-api-key', {
    input: { teamId, provider: 'MISTRAL', secret: `sk-sim-${crypto.randomUUID()}` },
  });
  const idOf = (name: string) => added.models.find((model) => model.name === name)?.id;
  const input = { workspaceId, baseModelId: idOf('magistral-medium-latest'), title: 'Mine' };
  const { model } = await cast.owner.run<{ model: { id: string } }>('create-model-variant', { input });
  expect(await cast.owner.run('model', { id: model.id })).toMatchObject({
    shutdownAt: '2090-03-31T12:00:00.000Z',
    replacement: { id: idOf('mistral-medium-2604') },
  });
});

test('a replacement that is not known, the model itself, or of another provider is null', async () => {
  const ada = await site.server.signUp();
  list(
    listedModel('gpt-a', { replacementName: 'gpt-unknown' }),
    listedModel('gpt-b', { replacementName: 'gpt-b' }),
    listedModel('gpt-c', { replacementName: 'mistral-small-2603' }),
  );
  await ada.addKey('OPENAI');
  await ada.addKey('MISTRAL');
  const models = await modelsShown(ada);
  for (const name of ['gpt-a', 'gpt-b', 'gpt-c'])
    expect(named(models, name)).toMatchObject({ replacement: null, factSources: [] });
});

test('the replacement is the first suggestion for a model that cannot be asked', async () => {
  const ada = await site.server.signUp();
  list(
    listedModel('gpt-old', { replacementName: 'unlike' }),
    listedModel('gpt-older'),
    listedModel('unlike'),
  );
  const key = await ada.addKey('OPENAI');
  const models = await modelsShown(ada);
  list(listedModel('gpt-older'), listedModel('unlike'));
  await check(ada, key);
  const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId: ada.workspaceId },
  });
  const input = { threadId: thread.id, text: 'Hello', modelIds: [named(models, 'gpt-old').id] };
  expect(await ada.run('send-message', { input })).toMatchObject({
    __typename: 'ModelUnavailableError',
    suggestions: [{ id: named(models, 'unlike').id }, { id: named(models, 'gpt-older').id }],
  });
});

test('the replacements of 250 models take as many statements as that of one', async () => {
  const counts: number[] = [];
  for (const count of [1, 250]) {
    const ada = await site.server.signUp();
    const of = { workspaceId: ada.workspaceId, provider: 'CUSTOM', baseUrl: 'x', capabilities: [] };
    const names = Array.from({ length: count }, (_, index) => `model-${index}`);
    await site.server.app.db
      .insert(modelTable)
      .values([
        { ...of, name: 'next', title: 'Next' },
        ...names.map((name) => ({ ...of, name, title: name, replacementName: 'next' })),
      ]);
    using recorded = recordStatements();
    const models = await modelsShown(ada);
    counts.push(recorded.texts.filter((text) => text.includes('"models"')).length);
    expect(models.filter(({ replacement }) => replacement?.name === 'next')).toHaveLength(count);
  }
  expect(counts[1]).toBe(counts[0]);
});

test.for([
  ['2027-05-01', '2027-05-01T23:59:59.000Z'],
  ['2027-05-01T12:30:00', '2027-05-01T12:30:00.000Z'],
  ['2027-05-01T12:30:00.123456+02:00', '2027-05-01T10:30:00.123Z'],
  ['2027-05-01 12:30', '2027-05-01T12:30:00.000Z'],
  [1_809_129_600, '2027-05-01T00:00:00.000Z'],
  [1_809_129_600_000, null],
  [0, null],
  [-1, null],
  [Number.MAX_VALUE, null],
  ['2027-13-01', null],
  ['soon', null],
  ['9999-12-31', null],
  ['', null],
  [null, null],
  [true, null],
  [{ date: '2027-05-01' }, null],
] as const)('the shutdown date %j in a list is read as %j', async ([shutdown_date, expected]) => {
  const { providers } = scriptedProviders(() => json({ data: [{ id: 'gpt-4.1', shutdown_date }] }));
  const models = cleanModels(await providers.OPENAI.listModels(callOf(providers, 'OPENAI')));
  expect(models.map(({ shutdownAt }) => shutdownAt?.toISOString() ?? null)).toEqual([expected]);
});

test.for([
  ['mistral-new', 'mistral-new'],
  ['', null],
  [7, null],
  [null, null],
  ['with\nbreak', null],
  ['x'.repeat(201), null],
] as const)(
  'the replacement %j in a list is read as %j',
  async ([deprecation_replacement_model, expected]) => {
    const entry = {
      id: 'mistral-old',
      capabilities: { completion_chat: true },
      deprecation_replacement_model,
    };
    const { providers } = scriptedProviders(() => json({ data: [entry] }));
    const models = cleanModels(await providers.MISTRAL.listModels(callOf(providers, 'MISTRAL')));
    expect(models.map(({ replacementName }) => replacementName)).toEqual([expected]);
  },
);

test('a server like OpenRouter says when a model expires', async () => {
  const { providers } = scriptedProviders(() =>
    json({ data: [{ id: 'a/b', expiration_date: '2027-05-01' }] }),
  );
  expect(await providers.CUSTOM.listModels(callOf(providers, 'CUSTOM'))).toMatchObject([
    { shutdownAt: new Date('2027-05-01T23:59:59Z') },
  ]);
});
