import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { listedModel } from '../src/providers/model-list.ts';
import type { ListedModel } from '../src/providers/provider.ts';
import { liftCheckLimits, listInstead } from './kit/altered-provider.ts';
import { newTeam, signUpCast, teamWorkspace } from './kit/people.ts';
import { type AddedKey, type Person, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

/** A model whose shutdown has passed, in a list that still has it. */

const site = useSite();
beforeAll(() => liftCheckLimits(site.server));
afterEach(() => vi.restoreAllMocks());

interface Shown {
  id: string;
  name: string;
  isAvailable: boolean;
  unavailableReason: string | null;
}

async function modelsShown({ url, token, workspaceId }: Person, inWorkspace = workspaceId): Promise<Shown[]> {
  const order = 'orderBy: { field: RELEVANCE, direction: DESC }';
  const fields = 'id name isAvailable unavailableReason';
  const query = `{ workspace(id: "${inWorkspace}") { models(first: 500, ${order}) { nodes { ${fields} } } } }`;
  const { data, errors } = await post(url, token, { query });
  const workspace = data?.workspace ?? expect.unreachable(JSON.stringify(errors));
  return (workspace as { models: { nodes: Shown[] } }).models.nodes;
}

const list = (...models: ListedModel[]) => listInstead(site.server, 'OPENAI', models);
const idOf = (models: readonly { id: string; name: string }[], name: string) =>
  models.find((model) => model.name === name)?.id ?? expect.unreachable(name);

const PAST = new Date(Date.now() - 60_000);
const TOMORROW = new Date(Date.now() + 24 * 60 * 60_000);

/** `gpt-4.1-nano` is a model that the simulator answers for. */
const RETIRED = listedModel('gpt-4.1-nano', { shutdownAt: PAST, replacementName: 'unlike' });
const OTHERS = [listedModel('gpt-4.1-mini', { shutdownAt: TOMORROW }), listedModel('unlike')];

async function send(person: Person, modelId: string): Promise<object> {
  const { id: threadId } = await newThread(person);
  return await person.run('send-message', { input: { threadId, text: 'Hello', modelIds: [modelId] } });
}

test('a model that has been shut down cannot be asked, comes last, and its replacement is suggested', async () => {
  const ada = await site.server.signUp();
  list(RETIRED, ...OTHERS);
  const { models } = await ada.addKey('OPENAI');
  expect(await modelsShown(ada)).toMatchObject([
    { name: 'gpt-4.1-mini', isAvailable: true, unavailableReason: null },
    { name: 'unlike', isAvailable: true, unavailableReason: null },
    { name: 'gpt-4.1-nano', isAvailable: false, unavailableReason: 'MODEL_UNAVAILABLE' },
  ]);
  expect(await send(ada, idOf(models, 'gpt-4.1-nano'))).toMatchObject({
    __typename: 'ModelUnavailableError',
    code: 'MODEL_UNAVAILABLE',
    message: 'OpenAI does not offer this model at the moment. Choose another model.',
    suggestions: [{ id: idOf(models, 'unlike') }, { id: idOf(models, 'gpt-4.1-mini') }],
  });
});

test('a variant of a model that has been shut down cannot be asked either', async () => {
  const ada = await site.server.signUp();
  list(RETIRED, ...OTHERS);
  const { models } = await ada.addKey('OPENAI');
  const input = { workspaceId: ada.workspaceId, baseModelId: idOf(models, 'gpt-4.1-nano'), title: 'Mine' };
  const { model } = await ada.run<{ model: Shown }>('create-model-variant', { input });
  expect(await send(ada, model.id)).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
});

test('a model that has been shut down is not paid for by the key of the team either', async () => {
  const cast = await signUpCast(site.server);
  const teamId = await newTeam(cast.owner);
  const workspaceId = await teamWorkspace(cast, teamId);
  list(RETIRED);
  const secret = `sk-sim-${crypto.randomUUID()}`;
  await cast.owner.run<AddedKey>('add-api-key', { input: { teamId, provider: 'OPENAI', secret } });
  await cast.owner.run<AddedKey>('add-api-key', { input: { workspaceId, provider: 'OPENAI', secret } });
  expect(await modelsShown(cast.owner, workspaceId)).toMatchObject([
    { isAvailable: false, unavailableReason: 'MODEL_UNAVAILABLE' },
  ]);
});

test('a key that cannot be used is the reason that is shown before the shutdown', async () => {
  const ada = await site.server.signUp();
  list(RETIRED);
  const { apiKey } = await ada.addKey('OPENAI');
  await ada.run('update-api-key', { input: { id: apiKey.id, expiresAt: '2020-01-01T00:00:00Z' } });
  expect(await modelsShown(ada)).toMatchObject([{ unavailableReason: 'KEY_EXPIRED' }]);
});

test('a model whose shutdown was postponed can be asked again after the next check, and one that a person adds by its name at once', async () => {
  const ada = await site.server.signUp();
  list(RETIRED);
  const { apiKey, models } = await ada.addKey('OPENAI');
  const id = idOf(models, 'gpt-4.1-nano');
  await ada.run('add-model', { input: { apiKeyId: apiKey.id, name: 'gpt-4.1-nano' } });
  expect(await send(ada, id)).toMatchObject({ __typename: 'SendMessagePayload' });

  const eve = await site.server.signUp('Eve');
  const key = await eve.addKey('OPENAI');
  expect(await send(eve, idOf(key.models, 'gpt-4.1-nano'))).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
  list({ ...RETIRED, shutdownAt: TOMORROW });
  await eve.run('check-api-key', { input: { id: key.apiKey.id } });
  expect(await send(eve, idOf(key.models, 'gpt-4.1-nano'))).toMatchObject({
    __typename: 'SendMessagePayload',
  });
});
