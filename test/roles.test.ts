import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { models } from '../src/db/tables/model.ts';
import { teamMemberships, teams } from '../src/db/tables/team.ts';
import { memberships, workspaces } from '../src/db/tables/workspace.ts';
import { ROLES, type Role } from '../src/plans-and-roles.ts';
import { ACTIONS, type Action, mayDo } from '../src/workspaces/permissions.ts';
import { page } from './kit/pages.ts';
import { type Cast, change, ownerInput, signUpCast } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let cast: Cast;
/** The cast, by their role in every place below. */
let people: Record<Role | 'nobody', Person>;
let tries = 0;

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
  const { owner: OWNER, admin: ADMIN, member: MEMBER, viewer: VIEWER, stranger: nobody } = cast;
  people = { OWNER, ADMIN, MEMBER, VIEWER, nobody };
});

afterAll(async () => {
  say(`roles: ${tries} tries over HTTP, as the table says`);
  await server?.close();
});

/** Somewhere to try things. */
interface Place {
  /** The workspace or team. */
  id: string;
  /** A member other than the actor and the OWNER. */
  other: Person;
}

/** Does a thing over HTTP, in the plainest way there is. */
const TRIES: Record<Action, (person: Person, place: Place) => Promise<Answer>> = {
  read: (person, { id }) => seen(person.run('members', { id })),
  chat: (person, { id }) => person.run('create-thread', { input: { workspaceId: id } }),
  async manageThreads(person, { id, other }) {
    const thread = await other.run<{ thread?: { id: string } }>('create-thread', {
      input: { workspaceId: id, visibility: 'WORKSPACE' },
    });
    return await person.run('delete-thread', { input: { id: thread.thread?.id } });
  },
  manageKeys: (person, { id }) =>
    person.run('add-api-key', {
      input: { ...ownerInput(id), provider: 'OPENAI', secret: `sk-sim-${crypto.randomUUID()}` },
    }),
  async manageModels(person, { id }) {
    const [model] = await server.app.db
      .insert(models)
      .values({
        workspaceId: id,
        provider: 'OPENAI',
        baseUrl: '',
        name: crypto.randomUUID(),
        title: 'M',
        capabilities: [],
      })
      .returning();
    return await change(person, 'create-model-variant', {
      ...{ workspaceId: id, baseModelId: model?.id, title: crypto.randomUUID(), forEverybody: true },
    });
  },
  manageMembers: (person, { id, other }) =>
    change(person, 'update-member', { ...ownerInput(id), userId: other.id, role: 'ADMIN' }),
  async readAuditLog(person, { id }) {
    const owner = await person.run<{ auditLog: object | null } | null>('audit-log', { id });
    if (owner === null) return { __typename: 'NotFoundError', code: 'NOT_FOUND' };
    return owner.auditLog === null ? { __typename: 'Nothing', code: 'NOT_PERMITTED' } : { __typename: 'Log' };
  },
  rename: (person, { id }) =>
    change(person, id.startsWith('tem_') ? 'update-team' : 'update-workspace', { id, name: 'Other' }),
  createTeamWorkspace: (person, { id }) => change(person, 'create-workspace', { name: 'New', teamId: id }),
  transfer: (person, { id, other }) =>
    change(person, id.startsWith('tem_') ? 'transfer-team' : 'transfer-workspace', { id, userId: other.id }),
  delete: (person, { id }) =>
    change(person, id.startsWith('tem_') ? 'delete-team' : 'delete-workspace', { id }),
};

interface Answer {
  __typename: string;
  code?: string;
}

async function seen(node: Promise<object | null>): Promise<Answer> {
  return (await node) === null ? { __typename: 'NotFoundError', code: 'NOT_FOUND' } : { __typename: 'Node' };
}

describe('the table of roles', () => {
  test('the table of roles on the front page is the one in the code', () => {
    const documented = tableOfRoles();
    expect(documented).toEqual(
      Object.values(ACTIONS).map(({ words, in: places, role }) => ({
        words,
        places: places.join(', '),
        roles: ROLES.filter((each) => ROLES.indexOf(each) <= ROLES.indexOf(role)),
      })),
    );
  });

  const kinds = ['workspace', 'team', 'workspace of a team'] as const;

  test.each(
    kinds.flatMap((kind) =>
      actionsIn(kind === 'team' ? 'team' : 'workspace').map((action) => [kind, action] as const),
    ),
  )('is what the API does in a %s: %s', async (kind, action) => {
    const roles = ROLES.filter((role) => kind !== 'team' || role !== 'VIEWER');
    const did: Record<string, string> = {};
    const says: Record<string, string> = {};
    for (const role of [...roles, 'nobody'] as const) {
      const other = role === 'MEMBER' ? cast.admin : cast.member;
      const answer = await TRIES[action](people[role], { id: await makePlace(kind), other });
      tries++;
      did[role] = answer.code ?? 'done';
      says[role] = role === 'nobody' ? 'NOT_FOUND' : mayDo(role, action) ? 'done' : 'NOT_PERMITTED';
      // Its role allows it, and then there is a better reason.
      if (role === 'OWNER' && kind === 'workspace of a team' && action === 'transfer')
        says[role] = 'CONFLICT';
    }
    expect(did).toEqual(says);
  });
});

/** What each `viewerCan…` field speaks of, besides leaving. */
const CAN: Readonly<Partial<Record<string, Action>>> = {
  viewerCanSend: 'chat',
  viewerCanManageThreads: 'manageThreads',
  viewerCanManageKeys: 'manageKeys',
  viewerCanManageModels: 'manageModels',
  viewerCanManageMembers: 'manageMembers',
  viewerCanReadAuditLog: 'readAuditLog',
  viewerCanRename: 'rename',
  viewerCanCreateWorkspace: 'createTeamWorkspace',
  viewerCanTransfer: 'transfer',
  viewerCanDelete: 'delete',
};

describe('what the viewer is shown that they can do', () => {
  const kinds = ['personal workspace', 'workspace', 'team', 'workspace of a team'] as const;

  test.each(
    kinds.flatMap((kind) =>
      (kind === 'personal workspace' ? (['OWNER'] as const) : rolesIn(kind)).map(
        (role) => [kind, role] as const,
      ),
    ),
  )('in a %s as %s is what the mutations do', async (kind, role) => {
    const person = people[role];
    const isAlone = kind === 'personal workspace';
    const other = isAlone ? person : role === 'MEMBER' ? cast.admin : cast.member;
    const place = async () => (isAlone ? person.workspaceId : await makePlace(kind));
    const shown = await canOf(person, await place());
    const does: Record<string, boolean> = {};
    for (const name of Object.keys(shown)) {
      const id = await place();
      does[name] = (await tryFor(name, kind, person, { id, other })).code === undefined;
    }
    expect(shown).toEqual(does);
    expect(Object.keys(shown)).toHaveLength(kind === 'team' ? 8 : 10);
  });

  test('a member can leave a workspace of a team if only the workspace gives the role ADMIN', async () => {
    const id = await makePlace('workspace of a team');
    await change(cast.owner, 'update-member', { workspaceId: id, userId: cast.member.id, role: 'ADMIN' });
    expect(await canOf(cast.member, id)).toMatchObject({
      viewerCanManageMembers: true,
      viewerCanLeave: true,
    });
    expect(await change(cast.member, 'leave-workspace', { id })).not.toHaveProperty('code');
  });
});

function rolesIn(kind: string): Role[] {
  return ROLES.filter((role) => kind !== 'team' || role !== 'VIEWER');
}

/** The `viewerCan…` fields of a workspace or team. */
async function canOf(person: Person, id: string): Promise<Record<string, boolean>> {
  const place = await person.run<Record<string, boolean>>(id.startsWith('tem_') ? 'team' : 'workspace', {
    id,
  });
  return Object.fromEntries(Object.entries(place).filter(([name]) => name.startsWith('viewerCan')));
}

async function tryFor(name: string, kind: string, person: Person, place: Place): Promise<Answer> {
  const { id } = place;
  if (name === 'viewerCanLeave')
    return await change(person, id.startsWith('tem_') ? 'leave-team' : 'leave-workspace', { id });
  // It has no other member whose role could be changed.
  if (name === 'viewerCanManageMembers' && kind === 'personal workspace')
    return await change(person, 'create-invitation', { workspaceId: id, role: 'MEMBER' });
  return await TRIES[CAN[name] ?? expect.unreachable()](person, place);
}

function actionsIn(place: 'workspace' | 'team'): Action[] {
  return (Object.keys(ACTIONS) as Action[]).filter((action) => {
    const places: readonly string[] = ACTIONS[action].in;
    return places.includes(place);
  });
}

/** Makes a workspace or team in which each of the cast has the role of their name. */
async function makePlace(kind: 'workspace' | 'team' | 'workspace of a team'): Promise<string> {
  const { db } = server.app;
  const { owner, admin, member, viewer } = cast;
  const name = 'Place';
  if (kind === 'workspace') {
    const [made] = await db
      .insert(workspaces)
      .values({ kind: 'SHARED', name, ownerUserId: owner.id })
      .returning();
    const workspaceId = made?.id ?? expect.unreachable();
    await db.insert(memberships).values([
      { workspaceId, userId: admin.id, role: 'ADMIN' },
      { workspaceId, userId: member.id, role: 'MEMBER' },
      { workspaceId, userId: viewer.id, role: 'VIEWER' },
    ]);
    return workspaceId;
  }
  const [made] = await db.insert(teams).values({ name, ownerUserId: owner.id }).returning();
  const teamId = made?.id ?? expect.unreachable();
  await db.insert(teamMemberships).values([
    { teamId, userId: admin.id, role: 'ADMIN' },
    { teamId, userId: member.id, role: 'MEMBER' },
    { teamId, userId: viewer.id, role: 'MEMBER' },
  ]);
  if (kind === 'team') return teamId;
  const [workspace] = await db.insert(workspaces).values({ kind: 'SHARED', name, teamId }).returning();
  const workspaceId = workspace?.id ?? expect.unreachable();
  await db.insert(memberships).values([
    { workspaceId, userId: member.id, role: 'MEMBER' },
    { workspaceId, userId: viewer.id, role: 'VIEWER' },
  ]);
  return workspaceId;
}

/** What docs/plans-and-roles.md says: a row for each thing, and under each role whether it may. */
function tableOfRoles() {
  const [, head = '', body = ''] =
    /^\| your role allows you to \| in \|(.*)\n\|[ -|]*\n((?:\|.*\n)+)/m.exec(
      page('docs/plans-and-roles.md'),
    ) ?? [];
  const roles = cells(head);
  return body
    .trim()
    .split('\n')
    .map((row) => {
      const [words, places, ...marks] = cells(row);
      return { words, places, roles: roles.filter((_role, index) => marks[index] === '✓') };
    });
}

function cells(row: string): string[] {
  return row
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim());
}
