import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memberIdOf } from '../src/db/id.ts';
import { teamMemberships, teams } from '../src/db/tables/team.ts';
import { users } from '../src/db/tables/user.ts';
import { memberships, workspaces } from '../src/db/tables/workspace.ts';
import { nodesOf, type Page } from './kit/page.ts';
import {
  auditOf,
  type Cast,
  change,
  hear,
  letIn,
  newTeam,
  newWorkspace,
  type Place,
  rolesIn,
  sharedTeam,
  signUpCast,
  teamWorkspace,
} from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let cast: Cast;

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
});

afterAll(() => server?.close());

describe('a team', () => {
  test('a team is created, renamed and listed', async () => {
    const ada = await server.signUp();
    const { team } = await change(ada, 'create-team', { name: ' Labs ' });
    expect(team).toMatchObject({ id: team.id, name: 'Labs', plan: 'BUSINESS', viewerRole: 'OWNER' });
    const renamed = await change(ada, 'update-team', { id: team.id, name: 'Laboratories' });
    expect(renamed.team).toEqual({ ...team, name: 'Laboratories' });
    expect(nodesOf((await ada.run<{ teams: Page<Place> }>('workspaces')).teams)).toEqual([renamed.team]);
    expect(await auditOf(server, team.id)).toEqual(['TEAM_CREATED Labs', 'TEAM_CHANGED Labs Laboratories']);
    expect(await change(ada, 'update-team', { id: team.id, name: '' })).toMatchObject({ code: 'BAD_INPUT' });
  });

  test('a team needs the Business plan, and begins with that of who creates it', async () => {
    const ada = await server.signUp();
    const setPlan = (plan: 'PREMIUM' | 'BUSINESS') =>
      server.app.db.update(users).set({ plan }).where(eq(users.id, ada.id));
    await setPlan('PREMIUM');
    expect(await change(ada, 'create-team', { name: 'Labs' })).toEqual({
      __typename: 'PlanRequiredError',
      code: 'PLAN_REQUIRED',
      message: 'Teams need the Business plan. Ask the operator of this server for it.',
      fixableBy: 'OPERATOR',
      retryAt: null,
      requiredPlan: 'BUSINESS',
    });
    await setPlan('BUSINESS');
    const id = await newTeam(ada);
    // From then on it has a plan of its own.
    await setPlan('PREMIUM');
    const [team] = await server.app.db.select().from(teams).where(eq(teams.id, id));
    expect(team?.plan).toBe('BUSINESS');
    expect(await ada.run('team', { id })).toMatchObject({ plan: 'BUSINESS' });
  });

  test('in the workspaces of a team its owner and admins have their roles, and other members none until they are added', async () => {
    const teamId = await sharedTeam(cast);
    const { owner, admin, member, viewer } = cast;
    const heard = hear(server, [owner.id, admin.id, member.id]);
    const id = await newWorkspace(admin, teamId);
    expect(heard()).toEqual({ [owner.id]: [id], [admin.id]: [id], [member.id]: [] });
    expect(await rolesIn(owner, id)).toEqual(['Olga OWNER', 'Adam ADMIN']);
    expect(await member.run('members', { id })).toBeNull();
    expect(await change(member, 'create-workspace', { name: 'Mine', teamId })).toMatchObject({
      __typename: 'NotPermittedError',
      message: 'Your role does not allow you to create workspaces of this team. Ask an owner or admin.',
    });
    const input = { workspaceId: id, userId: viewer.id, role: 'VIEWER' };
    expect(await change(admin, 'add-member', input)).toMatchObject({
      member: { id: memberIdOf(id, viewer.id), role: 'VIEWER', user: { name: 'Vera' } },
    });
    expect(await rolesIn(viewer, id)).toEqual(['Olga OWNER', 'Adam ADMIN', 'Vera VIEWER']);
    expect(await viewer.run('team', { id: teamId })).toMatchObject({
      viewerRole: 'MEMBER',
      workspaces: { edges: [{ node: { id, viewerRole: 'VIEWER' } }] },
    });
    expect((await auditOf(server, teamId)).at(-1)).toBe('WORKSPACE_CREATED Lab');
    expect(await auditOf(server, id)).toEqual(['WORKSPACE_CREATED Lab', 'MEMBER_ADDED VIEWER']);
  });

  test('a team takes people out of its workspaces when they are removed or leave, and does not put them back', async () => {
    const teamId = await sharedTeam(cast);
    const { owner, member, viewer } = cast;
    const [first, second] = [await teamWorkspace(cast, teamId), await teamWorkspace(cast, teamId)];
    const heard = hear(server, [teamId, first, second, member.id]);
    expect(await change(owner, 'remove-member', { teamId, userId: member.id })).toEqual({
      __typename: 'RemoveMemberPayload',
      removedId: memberIdOf(teamId, member.id),
    });
    expect(heard()).toEqual({
      [teamId]: [member.id],
      [first]: [member.id],
      [second]: [member.id],
      [member.id]: [teamId, first, second],
    });
    expect(await change(viewer, 'leave-team', { id: teamId })).toEqual({
      __typename: 'LeaveTeamPayload',
      removedId: memberIdOf(teamId, viewer.id),
    });
    for (const id of [teamId, first, second]) {
      expect(await rolesIn(owner, id)).toEqual(['Olga OWNER', 'Adam ADMIN']);
      expect(await member.run('members', { id })).toBeNull();
      expect(await viewer.run('members', { id })).toBeNull();
    }
    expect((await auditOf(server, first)).slice(-2)).toEqual(['MEMBER_REMOVED MEMBER', 'MEMBER_LEFT VIEWER']);
    expect((await auditOf(server, teamId)).slice(-2)).toEqual([
      'MEMBER_REMOVED MEMBER',
      'MEMBER_LEFT MEMBER',
    ]);

    await letIn(owner, teamId, member, 'MEMBER');
    expect(await member.run('members', { id: teamId })).not.toBeNull();
    expect(await member.run('members', { id: first })).toBeNull();
    expect(await server.app.db.$count(memberships, eq(memberships.workspaceId, first))).toBe(0);
  });

  test('the roles of a team’s owner and admins in its workspaces cannot be changed there', async () => {
    const teamId = await sharedTeam(cast);
    const workspaceId = await teamWorkspace(cast, teamId);
    const { owner, admin, member } = cast;
    const elsewhere =
      'This person is an owner or admin of the team, and so of all its workspaces. Change that in the team: give its `teamId`.';
    for (const userId of [owner.id, admin.id]) {
      const input = { workspaceId, userId };
      expect(await change(owner, 'update-member', { ...input, role: 'MEMBER' })).toMatchObject({
        __typename: 'ConflictError',
        message: elsewhere,
      });
      expect(await change(admin, 'remove-member', input)).toMatchObject({ message: elsewhere });
      expect(await change(owner, 'add-member', { ...input, role: 'MEMBER' })).toMatchObject({
        message: 'This person is in the workspace already. Use `updateMember` for another role.',
      });
    }
    expect(await change(admin, 'leave-workspace', { id: workspaceId })).toMatchObject({
      __typename: 'ConflictError',
      message: 'Owners and admins of a team are in all of its workspaces. Leave the team instead.',
    });

    // An ADMIN of the team is ADMIN in all its workspaces, and has the former roles again afterwards.
    const heard = hear(server, [teamId, workspaceId, member.id]);
    await change(owner, 'update-member', { teamId, userId: member.id, role: 'ADMIN' });
    expect(heard()).toEqual({
      [teamId]: [member.id],
      [workspaceId]: [member.id],
      [member.id]: [teamId, workspaceId],
    });
    const roles = ['Olga OWNER', 'Adam ADMIN', 'Mia ADMIN', 'Vera VIEWER'];
    expect(await rolesIn(member, workspaceId)).toEqual(roles);
    await change(owner, 'update-member', { teamId, userId: member.id, role: 'MEMBER' });
    roles[2] = 'Mia MEMBER';
    expect(await rolesIn(member, workspaceId)).toEqual(roles);
  });

  test('a team is handed over with its workspaces', async () => {
    const teamId = await sharedTeam(cast);
    const workspaceId = await teamWorkspace(cast, teamId);
    const { owner, member, stranger } = cast;
    expect(await change(owner, 'transfer-team', { id: teamId, userId: stranger.id })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await change(owner, 'transfer-workspace', { id: workspaceId, userId: member.id })).toMatchObject({
      __typename: 'ConflictError',
      message: 'This workspace belongs to its team. Hand over the team instead.',
    });
    const heard = hear(server, [teamId, workspaceId, owner.id, member.id]);
    expect(await change(owner, 'transfer-team', { id: teamId, userId: member.id })).toMatchObject({
      team: { id: teamId, viewerRole: 'ADMIN', plan: 'BUSINESS' },
    });
    expect(heard()).toEqual({
      [teamId]: [owner.id, member.id],
      [workspaceId]: [owner.id, member.id],
      [owner.id]: [teamId, workspaceId],
      [member.id]: [teamId, workspaceId],
    });
    for (const id of [teamId, workspaceId])
      expect(await rolesIn(member, id)).toEqual([
        'Olga ADMIN',
        'Adam ADMIN',
        'Mia OWNER',
        id === teamId ? 'Vera MEMBER' : 'Vera VIEWER',
      ]);
    expect((await auditOf(server, teamId)).at(-1)).toBe('OWNER_CHANGED');
    expect(await change(member, 'leave-team', { id: teamId })).toMatchObject({
      message: 'The owner cannot leave. Hand the team over to another person first, or delete it.',
    });
  });

  test('a team is deleted once it has no workspaces', async () => {
    const teamId = await sharedTeam(cast);
    const ids = [await teamWorkspace(cast, teamId), await teamWorkspace(cast, teamId)];
    const { owner, admin, member } = cast;
    const refusal = async () => (await change(owner, 'delete-team', { id: teamId })).message;
    expect(await refusal()).toBe('The team still has 2 workspaces. Delete what is in it first.');
    expect(await change(admin, 'delete-workspace', { id: ids[0] })).toMatchObject({
      __typename: 'NotPermittedError',
    });
    await change(owner, 'delete-workspace', { id: ids[0] });
    expect(await refusal()).toBe('The team still has 1 workspace. Delete what is in it first.');
    await change(owner, 'delete-workspace', { id: ids[1] });
    const heard = hear(server, [teamId, member.id]);
    expect(await change(owner, 'delete-team', { id: teamId })).toEqual({
      __typename: 'DeleteTeamPayload',
      removedId: teamId,
    });
    expect(heard()).toMatchObject({ [member.id]: [teamId] });
    expect(await member.run('team', { id: teamId })).toBeNull();
    const { db } = server.app;
    expect(await db.$count(teamMemberships, eq(teamMemberships.teamId, teamId))).toBe(0);
    expect((await auditOf(server, teamId)).slice(-3)).toEqual([
      'WORKSPACE_DELETED Lab',
      'WORKSPACE_DELETED Lab',
      'TEAM_DELETED Labs',
    ]);
  });

  test('a team is one of at most twenty of a person, and has at most a hundred workspaces', async () => {
    const [owner, member] = [await server.signUp(), await server.signUp('Bob')];
    const { db } = server.app;
    const row = { name: 'One of many', ownerUserId: owner.id };
    await db.insert(teams).values(Array.from({ length: 19 }, () => row));
    const id = await newTeam(owner);
    expect(await change(owner, 'create-team', { name: 'One more' })).toMatchObject({
      __typename: 'ConflictError',
      message: 'You own 20 teams, which is the most. Delete one first.',
    });
    const own = await newTeam(member);
    await letIn(member, own, owner, 'MEMBER');
    expect(await change(member, 'transfer-team', { id: own, userId: owner.id })).toMatchObject({
      message: 'This person owns 20 teams, which is the most. Delete one first.',
    });
    const workspace = { kind: 'SHARED', name: 'One of many', teamId: id } as const;
    await db.insert(workspaces).values(Array.from({ length: 99 }, () => workspace));
    await newWorkspace(owner, id);
    expect(await change(owner, 'create-workspace', { name: 'One more', teamId: id })).toMatchObject({
      message: 'This team has 100 workspaces, which is the most. Delete one first.',
    });
  });

  test('a team has no viewers', async () => {
    const teamId = await sharedTeam(cast);
    const refused = {
      __typename: 'InvalidInputError',
      message: 'A team has no VIEWER. Give MEMBER, and VIEWER in those of its workspaces where it fits.',
    };
    const input = { teamId, role: 'VIEWER' };
    expect(await change(cast.owner, 'create-invitation', input)).toMatchObject(refused);
    expect(await change(cast.owner, 'update-member', { ...input, userId: cast.member.id })).toMatchObject(
      refused,
    );
  });
});

describe('a person outside of a team', () => {
  test('a person outside of a team finds nothing of it', async () => {
    const teamId = await sharedTeam(cast);
    const workspaceId = await teamWorkspace(cast, teamId);
    const { stranger } = cast;
    const nothing = 'tem_00000000000000000000000000';
    const inputs: [string, (id: string, person: Person) => object][] = [
      ['update-team', (id) => ({ id, name: 'Mine' })],
      ['delete-team', (id) => ({ id })],
      ['leave-team', (id) => ({ id })],
      ['transfer-team', (id, { id: userId }) => ({ id, userId })],
      ['create-workspace', (teamId) => ({ teamId, name: 'Mine' })],
      ['create-invitation', (teamId) => ({ teamId, role: 'MEMBER' })],
      ['update-member', (teamId) => ({ teamId, userId: cast.member.id, role: 'ADMIN' })],
      ['remove-member', (teamId) => ({ teamId, userId: cast.member.id })],
    ];
    for (const [operation, input] of inputs) {
      const foreign = await change(stranger, operation, input(teamId, stranger));
      expect(foreign, operation).toEqual(await change(stranger, operation, input(nothing, stranger)));
      expect(foreign.code, operation).toBe('NOT_FOUND');
    }
    expect(await stranger.run('team', { id: teamId })).toBeNull();
    // Nor is a person added who is not in the team, whether or not the person exists.
    const add = (userId: string) => change(cast.owner, 'add-member', { workspaceId, userId, role: 'MEMBER' });
    const absent = await add('usr_00000000000000000000000000');
    expect(absent).toMatchObject({
      code: 'NOT_FOUND',
      message: 'There is no such person in the team, or you have no access to it.',
    });
    expect(await add(stranger.id)).toEqual(absent);
  });
});
