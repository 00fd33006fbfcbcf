import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageFile from '../package.json' with { type: 'json' };
import {
  auditEntryIdOf,
  memberIdOf,
  newId,
  prefixOf,
  readAuditEntryId,
  readMemberId,
  viewerIdOf,
} from '../src/db/id.ts';
import { bodyText, rawBody } from './kit/api-key.ts';
import { type Cast, change, newTeam, newWorkspace, sharedWorkspace, signUpCast } from './kit/people.ts';
import { documentOf, type Person, post } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let cast: Cast;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_SIGN_UP: 'open' });
  cast = await signUpCast(server);
});
afterAll(() => server?.close());

async function nodeOf(person: Person, id: string, fields = 'id'): Promise<unknown> {
  const query = `query ($id: ID!) { node(id: $id) { __typename ${fields} } }`;
  return (await rawBody(person, query, { id })).data.node;
}

describe('an id that is made of others', () => {
  test.each([newId('wsp'), newId('tem')])(
    'an id that is made of others says what it was made of, for %s',
    (tenantId) => {
      const userId = newId('usr');
      const [member, entry] = [memberIdOf(tenantId, userId), auditEntryIdOf(tenantId, 42)];
      expect(readMemberId(member)).toEqual({ tenantId, userId });
      expect(readAuditEntryId(entry)).toEqual({ tenantId, position: 42 });
      expect([member, entry, viewerIdOf(userId)].map(prefixOf)).toEqual(['mem', 'aud', 'vwr']);
      expect(memberIdOf(tenantId, userId)).toBe(member);
      expect(auditEntryIdOf(tenantId, 9) < auditEntryIdOf(tenantId, 10)).toBe(true);
      for (const text of [
        `${member} `,
        member.slice(1),
        member.replace('mem', 'aud'),
        entry.slice(0, -1),
        '',
      ]) {
        expect(readMemberId(text)).toBeUndefined();
        expect(readAuditEntryId(text)).toBeUndefined();
        expect(prefixOf(text)).toBeUndefined();
      }
    },
  );
});

test('a viewer and the person they are have ids of their own', async () => {
  const { id } = cast.owner;
  const viewer = await rawBody(cast.owner, '{ viewer { id user { id __typename } } }');
  expect(viewer.data).toEqual({ viewer: { id: viewerIdOf(id), user: { id, __typename: 'User' } } });
  expect(await nodeOf(cast.owner, viewerIdOf(id))).toBeNull();
});

describe('by its id', () => {
  test('a user is found only by themselves and by members of a common workspace or team', async () => {
    const [ada, ben, cleo] = [await server.signUp(), await server.signUp('Ben'), await server.signUp('Cleo')];
    const found = { __typename: 'User', id: ada.id, name: 'Ada' };
    const fields = 'id ... on User { name }';
    expect(await nodeOf(ada, ada.id, fields)).toEqual(found);
    expect(await nodeOf(ben, ada.id, fields)).toBeNull();
    const query = 'query ($id: ID!) { node(id: $id) { id } }';
    expect(await bodyText(ben, query, { id: ada.id })).toBe(await bodyText(ben, query, { id: newId('usr') }));
    for (const [person, tenantId] of [
      [ben, await newWorkspace(ada)],
      [cleo, await newTeam(ada)],
    ] as const) {
      const owner = tenantId.startsWith('tem_') ? { teamId: tenantId } : { workspaceId: tenantId };
      const { token } = await change(ada, 'create-invitation', { ...owner, role: 'MEMBER' });
      await change(person, 'accept-invitation', { token });
      expect(await nodeOf(person, ada.id, fields)).toEqual(found);
      await change(ada, 'remove-member', { ...owner, userId: person.id });
      expect(await nodeOf(person, ada.id, fields)).toBeNull();
    }
  });

  test('members, invitations and audit entries are found as in their lists, by those who may list them', async () => {
    const id = await sharedWorkspace(cast);
    const { invitation } = await change(cast.owner, 'create-invitation', { workspaceId: id, role: 'MEMBER' });
    const fragments = `fragment M on Member { id role tenant { ... on Workspace { id } } }
      fragment I on Invitation { id role tenant { ... on Workspace { id } } }
      fragment A on AuditEntry { id position action description }`;
    const query = `query ($id: ID!) { workspace(id: $id) {
      members(first: 2) { nodes { ...M } } invitations { nodes { ...I } } auditLog(first: 2) { nodes { ...A } } } }
      ${fragments}`;
    const { data } = await rawBody(cast.owner, query, { id });
    const lists = Object.values(data.workspace as Record<string, { nodes: { id: string }[] }>);
    const nodes = lists.flatMap((list) => list.nodes);
    expect(nodes).toHaveLength(5);
    expect(nodes).toContainEqual({ id: invitation.id, role: 'MEMBER', tenant: { id } });
    const again = `query ($ids: [ID!]!) { nodes(ids: $ids) { ...M ...I ...A } } ${fragments}`;
    const ids = nodes.map((node) => node.id);
    expect((await rawBody(cast.owner, again, { ids })).data.nodes).toEqual(nodes);
    expect((await rawBody(cast.viewer, again, { ids })).data.nodes).toEqual([
      ...nodes.slice(0, 2),
      null,
      null,
      null,
    ]);
    expect((await rawBody(cast.stranger, again, { ids })).data.nodes).toEqual(ids.map(() => null));
  });
});

test('what a viewer may not list is null, and what has nothing in it is empty', async () => {
  const id = await sharedWorkspace(cast);
  const query =
    'query ($id: ID!) { workspace(id: $id) { apiKeys { nodes { id } } invitations { nodes { id } } auditLog(last: 1) { nodes { position } } } }';
  expect((await rawBody(cast.member, query, { id })).data.workspace).toEqual({
    apiKeys: null,
    invitations: null,
    auditLog: null,
  });
  expect((await rawBody(cast.admin, query, { id })).data.workspace).toEqual({
    apiKeys: { nodes: [] },
    invitations: { nodes: [] },
    auditLog: { nodes: [{ position: 1 }] },
  });
});

test('the workspaces and teams of a viewer come in pages, the personal workspace first, from either end', async () => {
  const ada = await server.signUp();
  const made = [await newWorkspace(ada), await newWorkspace(ada), await newWorkspace(ada)];
  const all = [ada.workspaceId, ...made];
  const read = async (page: string) => {
    const query = `{ viewer { workspaces${page} { nodes { id } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } } }`;
    const { data } = await rawBody(ada, query);
    const { workspaces } = data.viewer as { workspaces: { nodes: { id: string }[]; pageInfo: PageInfo } };
    return { ids: workspaces.nodes.map(({ id }) => id), ...workspaces.pageInfo };
  };
  expect(await read('')).toMatchObject({ ids: all, hasNextPage: false, hasPreviousPage: false });
  const first = await read('(first: 1)');
  expect(first).toMatchObject({ ids: all.slice(0, 1), hasNextPage: true });
  expect((await read(`(first: 2, after: "${first.endCursor}")`)).ids).toEqual(all.slice(1, 3));
  const last = await read('(last: 2)');
  expect(last).toMatchObject({ ids: all.slice(2), hasPreviousPage: true });
  expect((await read(`(last: 5, before: "${last.startCursor}")`)).ids).toEqual(all.slice(0, 2));
  for (const page of [
    '(first: 1, last: 1)',
    '(first: 101)',
    '(after: "x")',
    `(after: "${btoa('SHARED x')}")`,
  ])
    expect(await bodyText(ada, `{ viewer { workspaces${page} { nodes { id } } } }`)).toContain('BAD_INPUT');

  const teamId = await newTeam(ada);
  const room = await newWorkspace(ada, teamId);
  const query = '{ viewer { teams(first: 1) { nodes { id workspaces(last: 1) { nodes { id } } } } } }';
  expect((await rawBody(ada, query)).data).toEqual({
    viewer: { teams: { nodes: [{ id: teamId, workspaces: { nodes: [{ id: room }] } }] } },
  });
});

interface PageInfo {
  startCursor: string;
  endCursor: string;
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

test('a key and its models say whose they are, and prices are exact decimals', async () => {
  const ada = await server.signUp();
  const { apiKey, models } = await ada.addKey('XAI');
  const query = `query ($key: ID!, $model: ID!) {
    key: node(id: $key) { ... on ApiKey { tenant { __typename ... on Workspace { id } } } }
    model: node(id: $model) { ... on Model { name tenant { __typename ... on Workspace { id } }
      price { input { ...P } output { ...P } cachedInput { ...P } cacheWrite { ...P } } } }
  } fragment P on Money { amount currency }`;
  const tenant = { __typename: 'Workspace', id: ada.workspaceId };
  const [model] = models;
  const { data } = await rawBody(ada, query, { key: apiKey.id, model: model?.id });
  expect(data.key).toEqual({ tenant });
  expect(data.model).toMatchObject({
    tenant,
    price: {
      input: { amount: '1.25', currency: 'USD' },
      output: { amount: '2.5', currency: 'USD' },
      cachedInput: { amount: '0.3125', currency: 'USD' },
      cacheWrite: null,
    },
  });
});

test('a client without a session can read the server info', async () => {
  const { data } = await post(server.url, null, { query: documentOf('server-info') });
  expect(data).toEqual({
    serverInfo: {
      version: packageFile.version,
      signUp: 'OPEN',
      canResetPassword: false,
      maxFileBytes: 20 * 1024 * 1024,
      maxAnswersAtOnce: 16,
    },
  });
});
