import { beforeAll, describe, expect, test } from 'vitest';
import { models as modelTable } from '../src/db/tables/model.ts';
import { follow } from './kit/answer.ts';
import { type Cast, sharedWorkspace, signUpCast } from './kit/people.ts';
import { type AddedKey, type Person, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';

/** The list of models that a person chooses from: its order, its filters, and what a person or an ADMIN sets about it. */

const site = useSite();
let cast: Cast;
let workspaceId: string;

beforeAll(async () => {
  cast = await signUpCast(site.server);
  workspaceId = await sharedWorkspace(cast);
  for (const provider of ['OPENAI', 'MISTRAL'])
    await cast.owner.run<AddedKey>('add-api-key', {
      input: { workspaceId, provider, secret: `sk-sim-${crypto.randomUUID()}` },
    });
});

interface Listed {
  id: string;
  name: string;
  title: string;
  provider: string;
  isAvailable: boolean;
  isFavorite: boolean;
  isHidden: boolean;
  capabilities: string[];
}

interface ListPage {
  nodes: Listed[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
}

async function list(person: Person, args: string, inWorkspace = workspaceId): Promise<ListPage> {
  const query = `{ workspace(id: "${inWorkspace}") { models(${args}) {
    nodes { id name title provider isAvailable isFavorite isHidden capabilities }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
  const { data, errors } = await post(person.url, person.token, { query });
  const workspace = (data?.workspace ?? expect.unreachable(JSON.stringify(errors))) as { models: ListPage };
  return workspace.models;
}

const BY_RELEVANCE = 'orderBy: { field: RELEVANCE, direction: DESC }';
const idsOf = ({ nodes }: ListPage) => nodes.map(({ id }) => id);
const prefer = (person: Person, modelId: string | undefined, more: object) =>
  person.run<{ __typename: string; code?: string; model: Listed }>('set-model-preference', {
    input: { workspaceId, modelId, ...more },
  });

test('without an order models are listed in the order in which they became known, as before', async () => {
  const all = await list(cast.member, 'first: 500');
  expect(idsOf(all)).toEqual(idsOf(all).sort());
  expect(idsOf(await list(cast.member, 'first: 500, filter: {}'))).toEqual(idsOf(all));
  const { pageInfo } = await list(cast.member, 'first: 3');
  const next = `first: 2, after: "${pageInfo.endCursor}"`;
  expect(idsOf(await list(cast.member, next))).toEqual(idsOf(all).slice(3, 5));
  // A cursor of the list is one of the same list with a filter.
  expect(idsOf(await list(cast.member, `${next}, filter: { includeHidden: true }`))).toEqual(
    idsOf(all).slice(3, 5),
  );
});

test('the pages of a list by relevance are the whole list, forwards and backwards, in both directions', async () => {
  for (const direction of ['DESC', 'ASC']) {
    const order = `orderBy: { field: RELEVANCE, direction: ${direction} }`;
    const all = idsOf(await list(cast.member, `first: 500, ${order}`));
    const forwards: string[] = [];
    for (let after = ''; ; ) {
      const page = await list(cast.member, `first: 4, ${order}${after}`);
      forwards.push(...idsOf(page));
      if (!page.pageInfo.hasNextPage) break;
      after = `, after: "${page.pageInfo.endCursor}"`;
    }
    const backwards: string[] = [];
    for (let before = ''; ; ) {
      const page = await list(cast.member, `last: 4, ${order}${before}`);
      backwards.unshift(...idsOf(page));
      if (!page.pageInfo.hasPreviousPage) break;
      before = `, before: "${page.pageInfo.startCursor}"`;
    }
    expect(forwards).toEqual(all);
    expect(backwards).toEqual(all);
  }
});

test('models that can be asked come first, then favourites, then variants, then the others', async () => {
  const { nodes } = await list(cast.admin, `first: 500, ${BY_RELEVANCE}`);
  const [newest, favorite] = [nodes[0], nodes.at(-1)];
  await prefer(cast.admin, favorite?.id, { isFavorite: true });
  const variant = await cast.admin.run<{ model: Listed }>('create-model-variant', {
    input: { workspaceId, baseModelId: nodes[1]?.id, title: 'Mine' },
  });
  const [gone] = await site.server.app.db
    .insert(modelTable)
    .values({ workspaceId, provider: 'XAI', baseUrl: 'x', name: 'grok-9', title: 'G', capabilities: [] })
    .returning();
  const now = idsOf(await list(cast.admin, `first: 500, ${BY_RELEVANCE}`));
  expect(now.slice(0, 3)).toEqual([favorite?.id, variant.model.id, newest?.id]);
  expect(now.at(-1)).toBe(gone?.id);
  expect(idsOf(await list(cast.admin, 'filter: { isFavorite: true }'))).toEqual([favorite?.id]);
  expect(idsOf(await list(cast.admin, 'filter: { isAvailable: false }'))).toEqual([gone?.id]);
  await cast.admin.run('remove-model-variant', { input: { id: variant.model.id } });
  await prefer(cast.admin, favorite?.id, { isFavorite: null });
});

test('a list is searched in titles and names in any case, and filtered by provider and capabilities', async () => {
  const all = (await list(cast.member, 'first: 500')).nodes;
  const [one] = all;
  const word = one?.name.slice(0, 6).toUpperCase() ?? '';
  const found = await list(cast.member, `first: 500, filter: { search: " ${word} " }`);
  expect(idsOf(found)).toEqual(
    all
      .filter(({ title, name }) => `${title} ${name}`.toLowerCase().includes(word.toLowerCase()))
      .map(({ id }) => id),
  );
  expect((await list(cast.member, 'filter: { search: "100%_\\\\" }')).nodes).toEqual([]);
  const mistral = (await list(cast.member, 'filter: { provider: MISTRAL }')).nodes;
  expect(new Set(mistral.map(({ provider }) => provider))).toEqual(new Set(['MISTRAL']));
  const reasoning = (await list(cast.member, 'first: 500, filter: { capabilities: [REASONING] }')).nodes;
  expect(reasoning.map(({ id }) => id)).toEqual(
    all.filter(({ capabilities }) => capabilities.includes('REASONING')).map(({ id }) => id),
  );
});

describe('a preference', () => {
  test('a model that a person hides is not listed for them unless they ask for it, and can be asked', async () => {
    const [first, second] = (await list(cast.member, 'first: 2')).nodes;
    expect(await prefer(cast.member, first?.id, { isHidden: true })).toMatchObject({
      model: { id: first?.id, isHidden: true, isFavorite: false },
    });
    expect(idsOf(await list(cast.member, 'first: 1'))).toEqual([second?.id]);
    expect(idsOf(await list(cast.member, 'first: 500, filter: { search: "" }'))).not.toContain(first?.id);
    expect(idsOf(await list(cast.member, 'first: 1, filter: { includeHidden: true }'))).toEqual([first?.id]);
    expect(idsOf(await list(cast.admin, 'first: 1'))).toEqual([first?.id]);
    const { thread } = await cast.member.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId },
    });
    const input = { threadId: thread.id, text: 'Hello', modelIds: [first?.id] };
    expect(await cast.member.run('send-message', { input })).toMatchObject({
      __typename: 'SendMessagePayload',
    });
    await prefer(cast.member, first?.id, { isHidden: null });
    expect(idsOf(await list(cast.member, 'first: 1'))).toEqual([first?.id]);
  });

  test('what an ADMIN sets for everybody holds for those who have set nothing themselves', async () => {
    const [model] = (await list(cast.member, 'first: 1')).nodes;
    const forEverybody = true;
    const set = (person: Person, more: object) => prefer(person, model?.id, { forEverybody, ...more });
    expect(await set(cast.member, { isHidden: true })).toMatchObject({ code: 'NOT_PERMITTED' });
    await set(cast.admin, { isHidden: true, isFavorite: true });
    expect(idsOf(await list(cast.viewer, 'first: 500'))).not.toContain(model?.id);
    await prefer(cast.viewer, model?.id, { isHidden: false });
    expect((await list(cast.viewer, 'first: 1')).nodes).toMatchObject([{ id: model?.id, isFavorite: true }]);
    await set(cast.admin, { isHidden: null, isFavorite: null });
    await prefer(cast.viewer, model?.id, { isHidden: null });
  });

  test('a preference is told to the other clients of those for whom it counts, and to no others', async () => {
    const clients = [cast.member.socket(), cast.viewer.socket()];
    interface ModelsUpdated {
      __typename: string;
      models: Listed[] | null;
    }
    const [own, others] = clients.map((client) =>
      follow<ModelsUpdated>(client, 'workspace-events', { workspaceId }),
    );
    // Without a bus changes of the threads of other tests may be found meanwhile.
    const next = async (events: typeof own): Promise<ModelsUpdated> => {
      const { value } = (await events?.next()) ?? expect.unreachable();
      return value.__typename.startsWith('Thread') ? await next(events) : value;
    };
    for (const events of [own, others])
      expect(await next(events)).toMatchObject({ __typename: 'WorkspaceSnapshot' });
    const [first, second] = (await list(cast.member, 'first: 2')).nodes;
    await prefer(cast.member, first?.id, { isFavorite: true });
    expect(await next(own)).toMatchObject({
      __typename: 'ModelsUpdated',
      models: [{ id: first?.id }],
    });
    await prefer(cast.owner, second?.id, { isFavorite: true, forEverybody: true });
    for (const events of [own, others])
      expect(await next(events)).toMatchObject({ models: [{ id: second?.id }] });
    await Promise.all(clients.map((client) => client.dispose()));
  });

  test('a stranger cannot set a preference, and neither is there one for a model of another workspace', async () => {
    const [model] = (await list(cast.member, 'first: 1')).nodes;
    expect(await prefer(cast.stranger, model?.id, { isHidden: true })).toMatchObject({ code: 'NOT_FOUND' });
    const { models } = await cast.owner.addKey('GEMINI');
    expect(await prefer(cast.owner, models[0]?.id, { isHidden: true })).toMatchObject({ code: 'NOT_FOUND' });
  });
});
