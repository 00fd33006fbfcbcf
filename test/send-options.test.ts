import { beforeAll, expect, test } from 'vitest';
import { NO_OPTIONS } from '../src/providers/options.ts';
import { type NamedModel, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

/** Options of an answer: what is stored and shown, what reaches the provider, and what is refused before anything is written. */

const site = useSite();
let models: NamedModel[];

beforeAll(async () => {
  // Its models take a temperature, top-p and stop words beside each other.
  ({ models } = await site.ada.addKey('MISTRAL'));
});

const OPTIONS = 'options { systemPrompt effort temperature topP maxOutputTokens stop webSearch }';
interface Result {
  __typename: string;
  message?: string;
  fields?: { path: string; message: string }[];
  userMessage?: { id: string };
  answers?: { id: string; options: object; model: { id: string } }[];
  answer?: { id: string; options: object; model: { id: string } };
}

const idOf = (index: number) => models[index]?.id ?? expect.unreachable();

function run(mutation: 'sendMessage' | 'regenerateAnswer', input: object): Promise<Result> {
  const Type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`;
  const payload =
    mutation === 'sendMessage'
      ? `userMessage { id } answers { id ${OPTIONS} model { id } }`
      : `answer { id ${OPTIONS} model { id } }`;
  const query = `mutation ($input: ${Type}Input!) { ${mutation}(input: $input) { __typename
    ... on ${Type}Payload { ${payload} }
    ... on InvalidInputError { fields { path message } } ... on UserError { message } } }`;
  return post(site.server.url, site.ada.token, { query, variables: { input } }).then(
    ({ data, errors }) =>
      (data?.[mutation] as Result | undefined) ?? expect.unreachable(JSON.stringify(errors)),
  );
}

async function send(input: object): Promise<Result> {
  const { id: threadId } = await newThread(site.ada);
  return await run('sendMessage', { threadId, text: `Question ${crypto.randomUUID()}`, ...input });
}

test('an answer shows the options with which it was asked, and one without options shows none', async () => {
  const options = { systemPrompt: 'Speak like a pirate.', temperature: 0.5, stop: ['END'] };
  const { answers } = await send({ answers: [{ modelId: idOf(0), options }, { modelId: idOf(1) }] });
  expect(answers?.map((answer) => answer.options)).toEqual([{ ...NO_OPTIONS, ...options }, NO_OPTIONS]);
  const read = await post(site.server.url, site.ada.token, {
    query: `{ nodes(ids: ${JSON.stringify(answers?.map(({ id }) => id))}) { ... on Answer { ${OPTIONS} } } }`,
  });
  expect(read.data?.nodes).toEqual([{ options: { ...NO_OPTIONS, ...options } }, { options: NO_OPTIONS }]);
});

test('the system prompt of an answer reaches the provider', async () => {
  const systemPrompt = `Speak like pirate ${crypto.randomUUID()}.`;
  const asked = site.server.simulator.waitForRequest(({ body }) => body.includes(systemPrompt));
  await send({ answers: [{ modelId: idOf(0), options: { systemPrompt } }] });
  expect((await asked).body).toContain(systemPrompt);
});

test('the same model may be asked twice in one message with other options, and by `modelIds` only once', async () => {
  const modelId = idOf(0);
  const { answers } = await send({
    answers: [0.1, 0.9].map((temperature) => ({ modelId, options: { temperature } })),
  });
  expect(answers).toMatchObject([{ options: { temperature: 0.1 } }, { options: { temperature: 0.9 } }]);
  expect(await send({ modelIds: [modelId, modelId] })).toMatchObject({
    __typename: 'InvalidInputError',
    fields: [{ path: 'modelIds' }],
  });
});

test('a message names its models in `modelIds` or in `answers`, and at least one', async () => {
  const answer = { modelId: idOf(0) };
  for (const input of [{}, { modelIds: [idOf(0)], answers: [answer] }, { answers: [] }, { modelIds: [] }])
    expect(await send(input)).toMatchObject({ __typename: 'InvalidInputError' });
  const nine = Array(9).fill(answer);
  expect(await send({ answers: nine })).toMatchObject({ fields: [{ path: 'answers' }] });
});

test('a message that is sent again with the same key must have the same options', async () => {
  const { id: threadId } = await newThread(site.ada);
  const input = (temperature: number) => ({
    threadId,
    text: 'Hello',
    idempotencyKey: 'one',
    answers: [{ modelId: idOf(0), options: { temperature } }],
  });
  const [first, same] = [await run('sendMessage', input(0.5)), await run('sendMessage', input(0.5))];
  expect(same.userMessage?.id).toBe(first.userMessage?.id ?? expect.unreachable());
  expect(await run('sendMessage', input(0.6))).toMatchObject({ __typename: 'ConflictError' });
});

test('an option that the model does not take is refused by its name, and nothing is written', async () => {
  const { id: threadId } = await newThread(site.ada);
  const answers = [{ modelId: idOf(1) }, { modelId: idOf(0), options: { temperature: 99 } }];
  const refused = await run('sendMessage', { threadId, text: 'Hello', answers });
  expect(refused).toMatchObject({
    __typename: 'InvalidInputError',
    fields: [{ path: 'answers.1.options.temperature' }],
  });
  const { data } = await post(site.server.url, site.ada.token, {
    query: `{ thread(id: "${threadId}") { messages { nodes { id } } } }`,
  });
  expect(data).toEqual({ thread: { messages: { nodes: [] } } });
});

test.for([
  ['systemPrompt', { systemPrompt: 'x'.repeat(65_537) }],
  ['systemPrompt', { systemPrompt: 'half \ud800' }],
  ['stop', { stop: Array(17).fill('x') }],
  ['stop.1', { stop: ['x', ''] }],
  ['stop.0', { stop: ['x'.repeat(201)] }],
  ['maxOutputTokens', { maxOutputTokens: 0 }],
  ['temperature', { temperature: -1 }],
] as const)('an option beyond what any provider takes is refused: %s', async ([path, options]) => {
  expect(await send({ answers: [{ modelId: idOf(0), options }] })).toMatchObject({
    fields: [{ path: `answers.0.options.${path}` }],
  });
});

test('an answer is repeated with its options, and with those that replace them', async () => {
  const options = { systemPrompt: 'Be brief.', temperature: 0.5 };
  const { answers } = await send({ answers: [{ modelId: idOf(0), options }] });
  const answerId = answers?.[0]?.id;
  expect(await run('regenerateAnswer', { answerId })).toMatchObject({ answer: { options } });
  expect(
    await run('regenerateAnswer', { answerId, options: { temperature: 1, systemPrompt: null } }),
  ).toMatchObject({ answer: { options: { temperature: 1, systemPrompt: null } } });
  expect(await run('regenerateAnswer', { answerId, modelId: idOf(1), options: { topP: 0.5 } })).toMatchObject(
    { answer: { options: { ...options, topP: 0.5 }, model: { id: idOf(1) } } },
  );
});

test('a repeated answer leaves out what another model does not take, and refuses it if it is asked for', async () => {
  const all = await largestOutputs();
  const [large, small] = [all.at(-1), all[0]];
  const options = { maxOutputTokens: large?.max, topP: 0.5 };
  const { answers } = await send({ answers: [{ modelId: large?.id, options }] });
  const input = { answerId: answers?.[0]?.id, modelId: small?.id };
  expect(await run('regenerateAnswer', input)).toMatchObject({
    answer: { options: { maxOutputTokens: null, topP: 0.5 } },
  });
  expect(await run('regenerateAnswer', { ...input, options: { maxOutputTokens: large?.max } })).toMatchObject(
    {
      fields: [{ path: 'options.maxOutputTokens' }],
    },
  );
});

/** The models that take `maxOutputTokens` and `topP`, those that write least first. */
async function largestOutputs(): Promise<{ id: string; max: number }[]> {
  await Promise.all([site.ada.addKey('GEMINI'), site.ada.addKey('MISTRAL')]);
  const query = `{ workspace(id: "${site.ada.workspaceId}") { models(first: 500) { nodes {
    id optionSupport { topP { max } maxOutputTokens { max } } } } } }`;
  const { data } = await post(site.server.url, site.ada.token, { query });
  const { models } = (data?.workspace ?? expect.unreachable()) as { models: { nodes: Supported[] } };
  return models.nodes
    .filter(({ optionSupport }) => optionSupport.topP !== null)
    .flatMap(({ id, optionSupport: { maxOutputTokens: range } }) =>
      range === null ? [] : [{ id, ...range }],
    )
    .sort((left, right) => left.max - right.max);
}

interface Supported {
  id: string;
  optionSupport: { topP: { max: number } | null; maxOutputTokens: { max: number } | null };
}
