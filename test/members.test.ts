import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memberIdOf } from '../src/db/id.ts';
import { memberships } from '../src/db/tables/workspace.ts';
import { bodyText } from './kit/api-key.ts';
import {
  auditOf,
  type Cast,
  change,
  hear,
  letIn,
  membersOf,
  newTeam,
  newWorkspace,
  ownerInput,
  rolesIn,
  sharedTeam,
  sharedWorkspace,
  signUpCast,
  teamWorkspace,
} from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let cast: Cast;
/** One of each kind that has members. */
let kinds: { name: string; id: string }[];

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
  const teamId = await sharedTeam(cast);
  kinds = [
    { name: 'a workspace', id: await sharedWorkspace(cast) },
    { name: 'a team', id: teamId },
    { name: 'a workspace of a team', id: await teamWorkspace(cast, teamId) },
  ];
});

afterAll(() => server?.close());

describe('the list of members', () => {
  test('the list of members is the same for every member, and has no email addresses', async () => {
    const { owner, admin, member, viewer, stranger } = cast;
    for (const { name, id } of kinds) {
      const seen = await membersOf(owner, id);
      expect(seen, name).toEqual(
        [owner, admin, member, viewer].map((person) => ({
          id: memberIdOf(id, person.id),
          role: seen.find(({ user }) => user.id === person.id)?.role,
          joinedAt: expect.stringMatching(/^\d{4}-.*Z$/),
          user: { id: person.id, name: expect.any(String) },
        })),
      );
      for (const person of [admin, member, viewer]) expect(await membersOf(person, id), name).toEqual(seen);
      await expect(membersOf(stranger, id), name).rejects.toThrow('not a member');
    }
    const query = '{ __type(name: "User") { fields { name } } }';
    expect(await bodyText(owner, query)).toBe(
      '{"data":{"__type":{"fields":[{"name":"id"},{"name":"name"}]}}}',
    );
  });

  test('the list of members is read in pages that no change of a role disturbs', async () => {
    const [owner, ...others] = await Promise.all(
      ['Olga', 'Ann', 'Ben', 'Cem', 'Dee'].map((name) => server.signUp(name)),
    );
    if (owner === undefined) expect.unreachable();
    const workspaceId = await newWorkspace(owner);
    for (const { id: userId } of others)
      await server.app.db.insert(memberships).values({ workspaceId, userId, role: 'MEMBER' });
    const everybody = (await membersOf(owner, workspaceId)).map(({ user }) => user.id);
    expect(everybody).toEqual([owner, ...others].map(({ id }) => id).toSorted());

    const read: string[] = [];
    let after: string | null = null;
    for (let more = true; more; ) {
      const page: MemberPage = await pageOf(owner, workspaceId, `first: 2, after: ${JSON.stringify(after)}`);
      read.push(...page.nodes.map(({ user }) => user.id));
      // The last one on the page and the next one change places, if roles decided.
      for (const userId of page.nodes.map(({ user }) => user.id).filter((id) => id !== owner.id))
        await change(owner, 'update-member', { workspaceId, userId, role: 'ADMIN' });
      after = page.pageInfo.endCursor;
      more = page.pageInfo.hasNextPage;
    }
    expect(read).toEqual(everybody);
    const last = await pageOf(owner, workspaceId, 'last: 2');
    expect(last.nodes.map(({ user }) => user.id)).toEqual(everybody.slice(-2));
  });

  test('the list of members has the time at which each member joined', async () => {
    const [owner, friend] = [await server.signUp(), await server.signUp('Bob')];
    const id = await newWorkspace(owner);
    const before = Date.now();
    await letIn(owner, id, friend, 'MEMBER');
    const [, joined] = await membersOf(friend, id);
    expect(Date.parse(joined?.joinedAt ?? '')).toBeGreaterThanOrEqual(before - 1_000);
    await change(owner, 'update-member', { workspaceId: id, userId: friend.id, role: 'VIEWER' });
    expect((await membersOf(friend, id))[1]).toEqual({ ...joined, role: 'VIEWER' });
  });
});

describe('a role', () => {
  test('a role is changed by members who manage members, and sent to all followers', async () => {
    const id = await sharedWorkspace(cast);
    const { admin, owner, viewer } = cast;
    const heard = hear(server, [id, viewer.id, owner.id]);
    const input = { workspaceId: id, userId: viewer.id, role: 'ADMIN' };
    expect(await change(admin, 'update-member', input)).toMatchObject({
      __typename: 'UpdateMemberPayload',
      member: { id: memberIdOf(id, viewer.id), role: 'ADMIN' },
    });
    expect(heard()).toEqual({ [id]: [viewer.id], [viewer.id]: [id], [owner.id]: [] });
    expect((await auditOf(server, id)).at(-1)).toBe('MEMBER_CHANGED VIEWER ADMIN');

    // A mutation without a change is neither announced nor recorded.
    const again = hear(server, [id, viewer.id]);
    expect(await change(admin, 'update-member', input)).toMatchObject({ member: { role: 'ADMIN' } });
    expect(again()).toEqual({ [id]: [], [viewer.id]: [] });
    expect((await auditOf(server, id)).at(-1)).toBe('MEMBER_CHANGED VIEWER ADMIN');
    expect((await auditOf(server, id)).at(-2)).toBe('MEMBER_ADDED VIEWER');
  });

  test('the role of the owner cannot be changed, nor the owner removed', async () => {
    const { owner, admin } = cast;
    for (const { name, id } of kinds.slice(0, 2)) {
      const noun = id.startsWith('tem') ? 'team' : 'workspace';
      const refused = {
        __typename: 'ConflictError',
        message: `The owner can be neither changed nor removed. The owner can hand the ${noun} over to another person.`,
      };
      const input = { ...ownerInput(id), userId: owner.id };
      for (const person of [owner, admin]) {
        expect(await change(person, 'update-member', { ...input, role: 'MEMBER' }), name).toMatchObject(
          refused,
        );
        expect(await change(person, 'remove-member', input), name).toMatchObject(refused);
      }
    }
  });

  test('the role OWNER is given only by a transfer', async () => {
    const { owner, admin, member } = cast;
    for (const { name, id } of kinds) {
      const refused = {
        __typename: 'InvalidInputError',
        message: 'There is one OWNER, and only the OWNER can make another person it, by handing it over.',
      };
      const input = { ...ownerInput(id), role: 'OWNER' };
      for (const person of [owner, admin]) {
        const userId = member.id;
        expect(await change(person, 'update-member', { ...input, userId }), name).toMatchObject(refused);
        expect(await change(person, 'create-invitation', input), name).toMatchObject(refused);
      }
    }
    const [workspaceId = '', userId] = [kinds[2]?.id, cast.stranger.id];
    expect(await change(owner, 'add-member', { workspaceId, userId, role: 'OWNER' })).toMatchObject({
      code: 'BAD_INPUT',
    });
  });

  test('the role of a person who is no member is not changed, whether or not the person exists', async () => {
    for (const { name, id } of kinds) {
      const update = (userId: string) =>
        change(cast.owner, 'update-member', { ...ownerInput(id), userId, role: 'ADMIN' });
      const absent = await update('usr_00000000000000000000000000');
      expect(absent, name).toMatchObject({
        code: 'NOT_FOUND',
        message: 'There is no such member, or you have no access to it.',
      });
      expect(await update(cast.stranger.id), name).toEqual(absent);
      expect(await update('\0'), name).toEqual(absent);
    }
  });

  test('a role is changed in one workspace or one team, not in both and not in neither', async () => {
    const [workspaceId, teamId] = [kinds[0]?.id, kinds[1]?.id];
    const input = { userId: cast.member.id, role: 'ADMIN' };
    for (const owners of [{}, { workspaceId, teamId }])
      expect(await change(cast.owner, 'update-member', { ...owners, ...input })).toMatchObject({
        __typename: 'InvalidInputError',
        message: 'Give either `workspaceId` or `teamId`, not both and not neither.',
      });
  });
});

describe('a member', () => {
  test('a member who was removed sees nothing any more, and what was private is theirs again when they are back', async () => {
    const id = await sharedWorkspace(cast);
    const { owner, admin, member } = cast;
    const create = async (visibility: string) =>
      (
        await member.run<{ thread: { id: string } }>('create-thread', {
          input: { workspaceId: id, visibility },
        })
      ).thread.id;
    const [secret, open] = [await create('PRIVATE'), await create('WORKSPACE')];
    const heard = hear(server, [id, member.id]);
    expect(await change(admin, 'remove-member', { workspaceId: id, userId: member.id })).toEqual({
      __typename: 'RemoveMemberPayload',
      removedId: memberIdOf(id, member.id),
    });
    expect(heard()).toEqual({ [id]: [member.id], [member.id]: [id] });
    expect((await auditOf(server, id)).at(-1)).toBe('MEMBER_REMOVED MEMBER');
    expect(await rolesIn(owner, id)).toEqual(['Olga OWNER', 'Adam ADMIN', 'Vera VIEWER']);
    for (const threadId of [secret, open]) expect(await member.run('thread', { id: threadId })).toBeNull();
    expect(await change(admin, 'remove-member', { workspaceId: id, userId: member.id })).toMatchObject({
      code: 'NOT_FOUND',
    });

    expect(await owner.run('thread', { id: secret })).toBeNull();
    expect(await owner.run('thread', { id: open })).not.toBeNull();
    await letIn(owner, id, member, 'VIEWER');
    expect(await member.run('thread', { id: secret })).not.toBeNull();
  });

  test('a member who lost a role uses it no more from then on', async () => {
    const id = await sharedWorkspace(cast);
    const { owner, admin, member } = cast;
    await change(owner, 'update-member', { workspaceId: id, userId: admin.id, role: 'VIEWER' });
    const input = { workspaceId: id, userId: member.id };
    expect(await change(admin, 'remove-member', input)).toMatchObject({
      __typename: 'NotPermittedError',
      message: 'Your role does not allow you to manage members here. Ask an owner or admin.',
    });
    expect(await change(admin, 'update-workspace', { id, name: 'Mine' })).toMatchObject({
      code: 'NOT_PERMITTED',
    });
  });

  test('a member of a workspace that belongs to a person is not added without being asked', async () => {
    const id = await newWorkspace(cast.owner);
    await newTeam(cast.owner);
    const input = { workspaceId: id, userId: cast.member.id, role: 'MEMBER' };
    expect(await change(cast.owner, 'add-member', input)).toMatchObject({
      __typename: 'ConflictError',
      message:
        'Only people of a team can be added, and this workspace belongs to a person. Use `createInvitation`.',
    });
  });
});

interface MemberPage {
  nodes: { user: { id: string } }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

async function pageOf(person: Person, workspaceId: string, pageArguments: string): Promise<MemberPage> {
  const query = `{ workspace(id: "${workspaceId}") { members(${pageArguments}) {
    nodes { user { id } } pageInfo { hasNextPage endCursor } } } }`;
  return JSON.parse(await bodyText(person, query)).data.workspace.members;
}
