import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAnswer } from './kit/answer.ts';
import { type AddedKey, type NamedModel, type Person, post } from './kit/person.ts';
import { type ScriptedProvider, startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** Models that a person names, for servers without a list and for what is not in it. */

let provider: ScriptedProvider;
let server: TestServer;
let ada: Person;
let key: AddedKey;

beforeAll(async () => {
  provider = await startScriptedProvider(['listed']);
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  ada = await server.signUp();
  key = await ada.addKey('CUSTOM', 'a-secret-of-a-custom-server', { baseUrl: provider.baseUrl });
});
afterAll(async () => {
  await server.close();
  await provider[Symbol.asyncDispose]();
});

interface Result {
  __typename: string;
  code?: string;
  message?: string;
  model: NamedModel & { title: string };
  fields?: { path: string }[];
}

function add(input: object): Promise<Result> {
  return ada.run<Result>('add-model', { input: { apiKeyId: key.apiKey.id, ...input } });
}

/** Adds a model that answers at once. */
async function added(name: string, more: object = {}): Promise<Result['model']> {
  const adding = add({ name, ...more });
  const call = await provider.nextCall();
  expect(call.body.model).toBe(name);
  call.write({ content: 'Hello' });
  return (await adding).model;
}

async function namesListed(): Promise<string[]> {
  const input = { workspaceId: ada.workspaceId };
  const { models } = await ada.run<{ models: { edges: { node: NamedModel }[] } }>('models', input);
  return models.edges.map(({ node }) => node.name);
}

test('a model that is added by its name can be asked, and stays when the list is fetched again', async () => {
  const model = await added('my-deployment', { title: 'Ours' });
  expect(model).toMatchObject({ name: 'my-deployment', title: 'Ours', isAvailable: true });
  const { models } = await ada.run<AddedKey>('check-api-key', { input: { id: key.apiKey.id } });
  expect(models.map(({ name }) => name)).toEqual(['listed', 'my-deployment']);
  const client = ada.socket();
  const { answers } = await ada.ask('Hello', [model]);
  const reading = readAnswer(client, answers[0]?.id ?? '');
  const call = await provider.nextCall();
  call.write({ content: 'Hi' });
  call.finish();
  expect((await reading).end).toMatchObject({ __typename: 'AnswerFinished', answer: { text: 'Hi' } });
  await client.dispose();
});

test('a model that the provider does not have is refused, and not added', async () => {
  const adding = add({ name: 'no-such-model' });
  (await provider.nextCall()).refuse(404, {}, 'The model does not exist.');
  expect(await adding).toMatchObject({ __typename: 'ProviderRefusedError' });
  expect(await namesListed()).not.toContain('no-such-model');
});

test('a provider that fails when a model is added says nothing about the model, which is not added', async () => {
  const adding = add({ name: 'unsure' });
  (await provider.nextCall()).refuse(500);
  expect(await adding).toMatchObject({ __typename: 'ProviderUnavailableError', code: 'PROVIDER_ERROR' });
  expect(await namesListed()).not.toContain('unsure');
});

test('a model that is added twice is one, and a listed one keeps its title', async () => {
  const { id } = await added('twice');
  expect(await added('twice', { title: 'Two' })).toMatchObject({ id, title: 'Two' });
  expect(await added('listed', { title: 'Another' })).toMatchObject({ title: 'listed' });
  expect((await namesListed()).filter((name) => name === 'twice')).toHaveLength(1);
});

test.for([
  ['name', { name: '' }],
  ['name', { name: ' spaced ' }],
  ['name', { name: 'x'.repeat(201) }],
  ['title', { name: 'x', title: '' }],
] as const)('a model is not added with this %s', async ([path, input]) => {
  expect(await add(input)).toMatchObject({ __typename: 'InvalidInputError', fields: [{ path }] });
});

test('a model is added by those alone who manage the key, and the audit log says so', async () => {
  const eve = await server.signUp('Eve');
  const input = { apiKeyId: key.apiKey.id, name: 'theirs' };
  expect(await eve.run('add-model', { input })).toMatchObject({ code: 'NOT_FOUND' });
  await added('logged');
  const query = `{ workspace(id: "${ada.workspaceId}") { auditLog(first: 1) { nodes { description } } } }`;
  const { data } = await post(server.url, ada.token, { query });
  expect(JSON.stringify(data)).toMatch(/Added the model “logged” to the .+ key “.+”\./);
});

test('an answer by a model that is no longer there suggests others of the workspace', async () => {
  const { answers } = await ada.ask('Hello', key.models.slice(0, 1));
  (await provider.nextCall()).refuse(404, {}, 'The model `listed` does not exist');
  const client = ada.socket();
  const { end } = await readAnswer(client, answers[0]?.id ?? '');
  await client.dispose();
  expect(end?.answer).toMatchObject({ status: 'FAILED' });
  const query = `{ node(id: "${answers[0]?.id}") { ... on Answer { error { code suggestions { name } } } } }`;
  const { data } = await post(server.url, ada.token, { query });
  const { error } = (data?.node ?? expect.unreachable()) as {
    error: { code: string; suggestions: { name: string }[] };
  };
  expect(error.code).toMatch(/^MODEL_/);
  expect(error.suggestions.map(({ name }) => name)).toContain('my-deployment');
});
