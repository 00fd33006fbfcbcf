import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from './kit/answer.ts';
import { type Cast, change, letIn, sharedWorkspace, signUpCast } from './kit/people.ts';
import { type AddedKey, type NamedModel, type Person, post } from './kit/person.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A variant is a model of one's own wherever a model is, and nobody is shown another person's but by its answers. */

let server: TestServer;
let cast: Cast;
let workspaceId: string;
let keyId: string;
let base: NamedModel;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
  cast = await signUpCast(server);
  workspaceId = await sharedWorkspace(cast);
  const input = { workspaceId, provider: 'OPENAI', secret: `sk-sim-${crypto.randomUUID()}` };
  const { apiKey, models } = await cast.owner.run<AddedKey>('add-api-key', { input });
  keyId = apiKey.id;
  // One that takes a temperature.
  base = models.find(({ name }) => name === 'gpt-4.1-nano') ?? expect.unreachable();
});
afterAll(() => server.close());

interface Variant {
  id: string;
  name: string;
  title: string;
  isAvailable: boolean;
  unavailableReason: string | null;
  baseModel: { id: string } | null;
  options: Record<string, unknown> | null;
  viewerCanEdit: boolean;
}

interface Result {
  __typename: string;
  code?: string;
  message?: string;
  model: Variant;
  fields?: { path: string; message: string }[];
}

const PIRATE = { systemPrompt: 'Speak like a pirate.', temperature: 0.5 };

async function make(person: Person, more: object = {}): Promise<Result> {
  const input = {
    workspaceId,
    baseModelId: base.id,
    title: `Pirate ${crypto.randomUUID()}`,
    options: PIRATE,
  };
  return await person.run<Result>('create-model-variant', { input: { ...input, ...more } });
}

async function made(person: Person, more: object = {}): Promise<Variant> {
  const { model, ...error } = await make(person, more);
  return model ?? expect.unreachable(JSON.stringify(error));
}

async function idsListed(person: Person): Promise<string[]> {
  const { models } = await person.run<{ models: { edges: { node: Variant }[] } }>('models', { workspaceId });
  return models.edges.map(({ node }) => node.id);
}

async function modelById(person: Person, id: string): Promise<Variant | null> {
  const query = `query ($id: ID!) { node(id: $id) { ... on Model { id title isAvailable unavailableReason
    viewerCanEdit options { systemPrompt temperature } } } }`;
  const { data } = await post(server.url, person.token, { query, variables: { id } });
  return data?.node as Variant | null;
}

interface Asked {
  __typename: string;
  answers: { id: string; options: object; model: { id: string; title: string } | null }[];
}

async function askIn(
  person: Person,
  visibility: string,
  input: object,
): Promise<Asked & { threadId: string }> {
  const { thread } = await person.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId, visibility },
  });
  const message = { threadId: thread.id, text: 'Hello', ...input };
  return { ...(await person.run<Asked>('send-message', { input: message })), threadId: thread.id };
}

test('a variant is asked as its base model is, with its options, and an answer’s options replace them one by one', async () => {
  const variant = await made(cast.member);
  expect(variant).toMatchObject({
    name: base.name,
    isAvailable: true,
    baseModel: { id: base.id },
    options: PIRATE,
    viewerCanEdit: true,
  });
  const { answers } = await askIn(cast.member, 'PRIVATE', {
    answers: [
      { modelId: variant.id },
      { modelId: variant.id, options: { temperature: 1, topP: 0.5, systemPrompt: null } },
    ],
  });
  expect(answers).toMatchObject([
    { model: { id: variant.id, title: variant.title }, options: { ...PIRATE, topP: null } },
    { model: { id: variant.id }, options: { temperature: 1, topP: 0.5, systemPrompt: null } },
  ]);
});

test('a variant of one’s own is listed for its maker alone, and there for nobody else', async () => {
  const { id } = await made(cast.member);
  expect(await idsListed(cast.member)).toContain(id);
  for (const other of [cast.owner, cast.admin, cast.viewer]) {
    expect(await idsListed(other)).not.toContain(id);
    expect(await modelById(other, id)).toBeNull();
    expect(await other.run('update-model-variant', { input: { id, title: 'Mine' } })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await change(other, 'remove-model-variant', { id })).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect(await askIn(cast.owner, 'PRIVATE', { modelIds: [id] })).toMatchObject({ code: 'NOT_FOUND' });
});

test('who may read an answer by another’s own variant sees its title and options, and can ask it there', async () => {
  const variant = await made(cast.member);
  const hidden = await askIn(cast.member, 'PRIVATE', { modelIds: [variant.id] });
  expect(await modelById(cast.viewer, variant.id)).toBeNull();
  const shared = await askIn(cast.member, 'WORKSPACE', { modelIds: [variant.id] });
  expect(await modelById(cast.viewer, variant.id)).toMatchObject({
    title: variant.title,
    options: PIRATE,
    viewerCanEdit: false,
  });
  expect(await idsListed(cast.owner)).not.toContain(variant.id);
  const again = { input: { answerId: shared.answers[0]?.id } };
  expect(await cast.owner.run('regenerate-answer', again)).toMatchObject({
    answer: { model: { id: variant.id }, options: PIRATE },
  });
  expect(hidden.__typename).toBe('SendMessagePayload');
});

test('a variant for everybody takes an ADMIN, who alone can change it', async () => {
  expect(await make(cast.member, { forEverybody: true })).toMatchObject({ code: 'NOT_PERMITTED' });
  expect(await make(cast.viewer)).toMatchObject({ code: 'NOT_PERMITTED' });
  expect(await make(cast.stranger)).toMatchObject({ code: 'NOT_FOUND' });
  const { id } = await made(cast.admin, { forEverybody: true });
  expect(await idsListed(cast.viewer)).toContain(id);
  expect(await modelById(cast.member, id)).toMatchObject({ viewerCanEdit: false, options: PIRATE });
  const update = { input: { id, options: { temperature: 1 } } };
  expect(await cast.member.run('update-model-variant', update)).toMatchObject({ code: 'NOT_PERMITTED' });
  expect(await cast.owner.run('update-model-variant', update)).toMatchObject({
    model: { options: { ...PIRATE, temperature: 1 }, viewerCanEdit: true },
  });
  expect(await askIn(cast.member, 'PRIVATE', { modelIds: [id] })).toMatchObject({
    answers: [{ options: { temperature: 1 } }],
  });
});

test('a member cannot give their own variant to everybody, and an ADMIN can, and take it back', async () => {
  const { id } = await made(cast.member);
  const input = { id, forEverybody: true };
  expect(await cast.member.run('update-model-variant', { input })).toMatchObject({ code: 'NOT_PERMITTED' });
  const own = await made(cast.admin);
  await cast.admin.run('update-model-variant', { input: { id: own.id, forEverybody: true } });
  expect(await idsListed(cast.member)).toContain(own.id);
  await cast.admin.run('update-model-variant', { input: { id: own.id, forEverybody: false } });
  expect(await idsListed(cast.member)).not.toContain(own.id);
});

test('two variants of one person, or for everybody, have different titles', async () => {
  const title = `Poet ${crypto.randomUUID()}`;
  await made(cast.member, { title });
  expect(await make(cast.member, { title })).toMatchObject({
    code: 'CONFLICT',
    message: 'There is another variant of yours with this title. Choose another title.',
  });
  await made(cast.admin, { title });
  const everybody = await made(cast.admin, { title, forEverybody: true });
  expect(await make(cast.owner, { title, forEverybody: true })).toMatchObject({ code: 'CONFLICT' });
  const other = await made(cast.owner, { forEverybody: true });
  expect(await cast.owner.run('update-model-variant', { input: { id: other.id, title } })).toMatchObject({
    code: 'CONFLICT',
  });
  expect(await cast.owner.run('update-model-variant', { input: { id: everybody.id, title } })).toMatchObject({
    model: { title },
  });
});

test('a variant with an option that the model does not take, or of another variant, is not made', async () => {
  expect(await make(cast.member, { options: { temperature: 99 } })).toMatchObject({
    fields: [{ path: 'options.temperature', message: expect.stringMatching(/^\S/) }],
  });
  const { id } = await made(cast.member);
  expect(await make(cast.member, { baseModelId: id })).toMatchObject({ fields: [{ path: 'baseModelId' }] });
  expect(await make(cast.member, { title: ' \n ' })).toMatchObject({ fields: [{ path: 'title' }] });
});

test('a variant that is removed leaves its answers with their options', async () => {
  const { id } = await made(cast.member);
  const { answers } = await askIn(cast.member, 'PRIVATE', { modelIds: [id] });
  expect(await change(cast.member, 'remove-model-variant', { id })).toMatchObject({ removedId: id });
  expect(await modelById(cast.member, id)).toBeNull();
  const query = `{ node(id: "${answers[0]?.id}") { ... on Answer { model { id } modelName options { temperature } } } }`;
  expect((await post(server.url, cast.member.token, { query })).data?.node).toEqual({
    model: null,
    modelName: base.name,
    options: { temperature: 0.5 },
  });
  expect(await askIn(cast.member, 'PRIVATE', { modelIds: [id] })).toMatchObject({ code: 'NOT_FOUND' });
});

test('a variant cannot be asked without a key for its base model, says why, and can be again with one', async () => {
  const { id } = await made(cast.member);
  const update = (isEnabled: boolean) =>
    cast.owner.run('update-api-key', { input: { id: keyId, isEnabled } });
  await update(false);
  expect(await modelById(cast.member, id)).toMatchObject({ isAvailable: false, unavailableReason: 'NO_KEY' });
  expect(await askIn(cast.member, 'PRIVATE', { modelIds: [id] })).toMatchObject({ code: 'NO_KEY' });
  await update(true);
  expect(await modelById(cast.member, id)).toMatchObject({ isAvailable: true });
});

test('the followers of a workspace are told of a variant that they can see, and not of another’s own', async () => {
  const client = cast.viewer.socket();
  interface ModelsUpdated {
    __typename: string;
    models: Variant[] | null;
  }
  const events = follow<ModelsUpdated>(client, 'workspace-events', { workspaceId });
  // Without a bus changes of the threads of other tests may be found meanwhile.
  const next = async (): Promise<ModelsUpdated> => {
    const { value } = await events.next();
    return value.__typename.startsWith('Thread') ? await next() : value;
  };
  expect(await next()).toMatchObject({ __typename: 'WorkspaceSnapshot' });
  await made(cast.member);
  const { id } = await made(cast.admin, { forEverybody: true });
  expect(await next()).toMatchObject({ __typename: 'ModelsUpdated', models: [{ id }] });
  await cast.admin.run('update-model-variant', { input: { id, title: 'Another title' } });
  expect(await next()).toMatchObject({ models: [{ id, title: 'Another title' }] });
  await change(cast.admin, 'remove-model-variant', { id });
  expect(await next()).toMatchObject({ __typename: 'ModelsUpdated', models: null });
  await events.return(undefined);
  await client.dispose();
});

test('a variant of one’s own is as gone as its maker, and is theirs again when they come back', async () => {
  const maker = await server.signUp('Gil');
  await letIn(cast.owner, workspaceId, maker, 'MEMBER');
  const { id, title } = await made(maker);
  const shared = await askIn(maker, 'WORKSPACE', { modelIds: [id] });
  await change(maker, 'leave-workspace', { id: workspaceId });
  expect(await modelById(maker, id)).toBeNull();
  expect(await change(maker, 'remove-model-variant', { id })).toMatchObject({ code: 'NOT_FOUND' });
  // The answer that others read still says what wrote it.
  expect(await modelById(cast.owner, id)).toMatchObject({ title, options: PIRATE });
  expect(shared.answers).toHaveLength(1);
  await letIn(cast.owner, workspaceId, maker, 'MEMBER');
  expect(await idsListed(maker)).toContain(id);
});

test('after a downgrade variants stay readable, and no new ones are made', async () => {
  const { id } = await made(cast.member);
  await setPlan(server, { userId: cast.owner.id }, 'FREE');
  expect(await make(cast.member)).toMatchObject({
    __typename: 'PlanRequiredError',
    message: expect.stringMatching(/^Variants of models need the Premium plan\./),
  });
  expect(await modelById(cast.member, id)).toMatchObject({ isAvailable: false, options: PIRATE });
  expect(await change(cast.member, 'remove-model-variant', { id })).toMatchObject({ removedId: id });
  await setPlan(server, { userId: cast.owner.id }, null);
});

test('the audit log names variants that were created, changed and removed', async () => {
  const title = `Logged ${crypto.randomUUID()}`;
  const { id } = await made(cast.admin, { title, forEverybody: true });
  await cast.admin.run('update-model-variant', { input: { id, options: { topP: 0.5 } } });
  await change(cast.admin, 'remove-model-variant', { id });
  const query = `{ workspace(id: "${workspaceId}") { auditLog(first: 3) { nodes { action description } } } }`;
  const { data } = await post(server.url, cast.owner.token, { query });
  expect(data?.workspace).toEqual({
    auditLog: {
      nodes: [
        { action: 'MODEL_VARIANT_REMOVED', description: `Removed the model “${title}” for everybody.` },
        { action: 'MODEL_VARIANT_UPDATED', description: `Changed the model “${title}” for everybody.` },
        { action: 'MODEL_VARIANT_CREATED', description: `Created the model “${title}” for everybody.` },
      ],
    },
  });
});
