import { vi } from 'vitest';
import { listAuditEntries } from '../../src/audit/entry.ts';
import { nodesOf, type Page } from './page.ts';
import type { Person } from './person.ts';
import type { TestServer } from './server.ts';

/** What a mutation of workspaces, teams, members or invitations gives: the fields of its payload, or those of an error. */
export interface PeopleResult {
  __typename: string;
  code: string;
  message: string;
  fixableBy: string;
  workspace: Place;
  team: Place;
  member: ListedMember;
  invitation: { id: string; role: Role; expiresAt: string };
  token: string;
  removedId: string;
}

/** A workspace or team as the shared operations give it. */
export interface Place {
  id: string;
  name: string;
  plan: string;
  viewerRole: Role;
}

export interface ListedMember {
  id: string;
  role: Role;
  joinedAt: string;
  user: { id: string; name: string };
}

export type Role = 'OWNER' | 'ADMIN' | 'MEMBER' | 'VIEWER';

/** Runs one of these mutations with this input. */
export async function change(person: Person, operation: string, input: object): Promise<PeopleResult> {
  return await person.run<PeopleResult>(operation, { input });
}

/** Creates a shared workspace, a team's if one is named, and gives its id. */
export async function newWorkspace(person: Person, teamId: string | null = null): Promise<string> {
  return (await change(person, 'create-workspace', { name: 'Lab', teamId })).workspace.id;
}

/** Creates a team and gives its id. */
export async function newTeam(person: Person): Promise<string> {
  return (await change(person, 'create-team', { name: 'Labs' })).team.id;
}

/** Creates a team with one workspace. */
export async function newTeamAndWorkspace(person: Person): Promise<{ teamId: string; workspaceId: string }> {
  const teamId = await newTeam(person);
  return { teamId, workspaceId: await newWorkspace(person, teamId) };
}

/** The input that names a workspace or a team by its id. */
export function ownerInput(id: string): { teamId: string } | { workspaceId: string } {
  return id.startsWith('tem_') ? { teamId: id } : { workspaceId: id };
}

/** Makes an invitation and gives its token. */
export async function invite(person: Person, tenantId: string, role: Role = 'MEMBER'): Promise<string> {
  return (await change(person, 'create-invitation', { ...ownerInput(tenantId), role })).token;
}

/** Adds a person to a workspace or team by an invitation of a member who manages members. */
export async function letIn(manager: Person, tenantId: string, person: Person, role: Role): Promise<void> {
  const result = await change(person, 'accept-invitation', { token: await invite(manager, tenantId, role) });
  if (result.__typename !== 'AcceptInvitationPayload') throw new Error(JSON.stringify(result));
}

/** The members of a workspace or team as this person sees them. */
export async function membersOf(person: Person, tenantId: string): Promise<ListedMember[]> {
  const node = await person.run<{ members: Page<ListedMember> } | null>('members', { id: tenantId });
  if (node === null) throw new Error('not a member');
  return nodesOf(node.members);
}

/** Who is what in a workspace or team, by name: `Ada OWNER`. */
export async function rolesIn(person: Person, tenantId: string): Promise<string[]> {
  return (await membersOf(person, tenantId)).map(({ user, role }) => `${user.name} ${role}`);
}

/** One person of each role, and one who is in nothing. */
export interface Cast {
  owner: Person;
  admin: Person;
  member: Person;
  viewer: Person;
  stranger: Person;
}

/** Signs up one person for each role. */
export async function signUpCast(server: TestServer): Promise<Cast> {
  return {
    owner: await server.signUp('Olga'),
    admin: await server.signUp('Adam'),
    member: await server.signUp('Mia'),
    viewer: await server.signUp('Vera'),
    stranger: await server.signUp('Eve'),
  };
}

/** A shared workspace of the owner with all of the cast but the stranger. Returns its id. */
export async function sharedWorkspace({ owner, admin, member, viewer }: Cast): Promise<string> {
  const id = await newWorkspace(owner);
  await letIn(owner, id, admin, 'ADMIN');
  await letIn(owner, id, member, 'MEMBER');
  await letIn(owner, id, viewer, 'VIEWER');
  return id;
}

/** A team of the owner with an admin, and the other two as members. Gives its id. */
export async function sharedTeam({ owner, admin, member, viewer }: Cast): Promise<string> {
  const id = await newTeam(owner);
  await letIn(owner, id, admin, 'ADMIN');
  await letIn(owner, id, member, 'MEMBER');
  await letIn(owner, id, viewer, 'MEMBER');
  return id;
}

/** A workspace of a team, with the member and the viewer let in as that. Gives its id. */
export async function teamWorkspace({ owner, member, viewer }: Cast, teamId: string): Promise<string> {
  const workspaceId = await newWorkspace(owner, teamId);
  await change(owner, 'add-member', { workspaceId, userId: member.id, role: 'MEMBER' });
  await change(owner, 'add-member', { workspaceId, userId: viewer.id, role: 'VIEWER' });
  return workspaceId;
}

/** What the audit log of a workspace or team tells, oldest first: `MEMBER_ADDED ADMIN`. */
export async function auditOf({ app }: TestServer, tenantId: string): Promise<string[]> {
  const { rows } = await listAuditEntries(app, tenantId, { first: 100 });
  return rows.toReversed().map(({ action, details }) => [action, ...Object.values(details)].join(' '));
}

/** The ids that are announced on each of these topics until it is called, by topic, by whichever server. */
export function hear({ apps }: TestServer, topics: readonly string[]): () => Record<string, string[]> {
  const spies = apps.map(({ changes }) => vi.spyOn(changes, 'announce'));
  return () => {
    const calls = spies.flatMap((spy) => spy.mock.calls.map(([topic, ids]) => ({ topic, ids: [...ids] })));
    for (const spy of spies) spy.mockRestore();
    const idsOn = (topic: string) => calls.filter((call) => call.topic === topic).flatMap(({ ids }) => ids);
    return Object.fromEntries(topics.map((topic) => [topic, [...new Set(idsOn(topic))]]));
  };
}
