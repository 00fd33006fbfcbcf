import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROLES, type Role } from '../src/plans-and-roles.ts';
import { type Cast, change, sharedWorkspace, signUpCast } from './kit/people.ts';
import { type NamedModel, type Person, post } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

let server: TestServer;
let cast: Cast;
let people: Record<Role, Person>;
let workspaceId: string;
let model: NamedModel;

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
  people = { OWNER: cast.owner, ADMIN: cast.admin, MEMBER: cast.member, VIEWER: cast.viewer };
  workspaceId = await sharedWorkspace(cast);
  model = (await cast.owner.addKey('OPENAI', undefined, { workspaceId })).models[0] ?? expect.unreachable();
});

afterAll(() => server?.close());

/** Who created the thread and wrote in it, and what each role may do there. */
const EXPECTED = {
  MEMBER: {
    OWNER: 'send rename delete remove',
    ADMIN: 'send rename delete remove',
    MEMBER: 'send rename delete edit remove',
    VIEWER: '',
  },
  ADMIN: {
    OWNER: 'send rename delete remove',
    ADMIN: 'send rename delete edit remove',
    MEMBER: 'send rename',
    VIEWER: '',
  },
};

test.each((['MEMBER', 'ADMIN'] as const).flatMap((creator) => ROLES.map((role) => ({ creator, role }))))(
  'what a thread of the $creator says that the $role may do is what they may do',
  async ({ creator, role }) => {
    const { thread, rights } = await ask(people[creator], people[role]);
    expect(rights.join(' ')).toBe(EXPECTED[creator][role]);

    const may = async (operation: string, input: object) =>
      (await change(people[role], operation, input)).__typename !== 'NotPermittedError';
    const send = { threadId: thread.id, text: 'simulate: say Yes.', modelIds: [model.id] };
    expect({
      send: await may('send-message', send),
      rename: await may('update-thread', { id: thread.id, title: 'Other' }),
      delete: await may('delete-thread', { id: thread.id }),
    }).toEqual({
      send: rights.includes('send'),
      rename: rights.includes('rename'),
      delete: rights.includes('delete'),
    });
  },
);

test('who may no longer write may neither edit nor remove what they wrote', async () => {
  const { thread } = await ask(cast.member, cast.member);
  const userId = cast.member.id;
  await change(cast.owner, 'update-member', { workspaceId, userId, role: 'VIEWER' });
  expect(await rightsIn(cast.member, thread.id)).toEqual([]);
  await change(cast.owner, 'update-member', { workspaceId, userId, role: 'MEMBER' });
  expect(await rightsIn(cast.member, thread.id)).toEqual(['send', 'rename', 'delete', 'edit', 'remove']);
});

test('an answer cannot be edited, and the person who asked for it may remove it', async () => {
  const { answerId } = await ask(cast.member, cast.member);
  const rightsOf = async (person: Person) =>
    await post(person.url, person.token, {
      query: `{ node(id: "${answerId}") { __typename ... on Message { viewerCanEdit viewerCanRemove } } }`,
    });
  expect(await rightsOf(cast.member)).toEqual({
    data: { node: { __typename: 'Answer', viewerCanEdit: false, viewerCanRemove: true } },
  });
  expect(await rightsOf(cast.viewer)).toEqual({
    data: { node: { __typename: 'Answer', viewerCanEdit: false, viewerCanRemove: false } },
  });
  expect(await rightsOf(cast.stranger)).toEqual({ data: { node: null } });
});

/** One person asks in a shared thread of their own. Returns what another may do there. */
async function ask(creator: Person, reader: Person) {
  const thread = await newThread(creator, { workspaceId, visibility: 'WORKSPACE' });
  const { answers } = await creator.ask('simulate: say Yes.', [model], thread.id);
  return { thread, answerId: answers[0]?.id, rights: await rightsIn(reader, thread.id) };
}

/** What the thread and the first message in it say that a person may do. */
async function rightsIn(person: Person, threadId: string): Promise<string[]> {
  const query = `{ thread(id: "${threadId}") {
    send: viewerCanSend rename: viewerCanRename delete: viewerCanDelete
    messages(first: 1) { nodes { __typename edit: viewerCanEdit remove: viewerCanRemove } } } }`;
  const { data } = (await post(person.url, person.token, { query })) as { data: { thread: ReadThread } };
  const { messages, ...rights } = data.thread;
  const [{ __typename, ...more }] = messages.nodes;
  expect(__typename).toBe('UserMessage');
  return Object.entries({ ...rights, ...more }).flatMap(([name, may]) => (may ? [name] : []));
}

type ReadThread = Record<'send' | 'rename' | 'delete', boolean> & {
  messages: { nodes: [Record<'edit' | 'remove', boolean> & { __typename: string }] };
};
