import { and, eq, inArray, type SQL } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { teams } from '../db/tables/team.ts';
import { users } from '../db/tables/user.ts';
import { workspaceMembers, workspaces } from '../db/tables/workspace.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import type { Plan, Role } from '../plans-and-roles.ts';
import { type Action, requireRole } from './permissions.ts';
import { effectivePlan } from './plan.ts';

/** A workspace as one of its members sees it. */
export interface Workspace {
  type: 'workspace';
  id: string;
  kind: 'PERSONAL' | 'SHARED';
  name: string;
  createdAt: Date;
  /** The team that owns it and pays for it; null for one that a person owns. */
  teamId: string | null;
  viewerRole: Role;
  /** Plan of the payer: the owner or the team. */
  plan: Plan;
}

/** The viewer's workspaces among the given ids. */
export async function findWorkspaces(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Workspace[]> {
  return withType(await selectWorkspaces(deps, viewer, inArray(workspaces.id, idsOf('wsp', ids))));
}

/** The workspaces that the viewer is in, those of one team if it is named: the personal one first, then the oldest. */
export async function listWorkspaces(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  page: PageInput,
  { teamId }: { teamId?: string } = {},
): Promise<Page<Workspace>> {
  return await readPage<Workspace>(page, {
    leading: { column: workspaces.kind, valueOf: ({ kind }) => kind }, // PERSONAL sorts before SHARED
    column: workspaces.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: ({ id }) => id,
    read: async (conditions, orderBy, limit) => {
      const isOfTeam = teamId === undefined ? undefined : eq(workspaces.teamId, teamId);
      const found = selectWorkspaces(deps, viewer, and(isOfTeam, ...conditions));
      return withType(await found.orderBy(orderBy).limit(limit));
    },
  });
}

function selectWorkspaces(
  { db }: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  condition: SQL | undefined,
) {
  return db
    .select({
      id: workspaces.id,
      kind: workspaces.kind,
      name: workspaces.name,
      createdAt: workspaces.createdAt,
      teamId: workspaces.teamId,
      viewerRole: workspaceMembers.role,
      plan: effectivePlan(users.plan, teams.plan),
    })
    .from(workspaceMembers)
    .innerJoin(workspaces, eq(workspaces.id, workspaceMembers.workspaceId))
    .leftJoin(users, eq(users.id, workspaces.ownerUserId))
    .leftJoin(teams, eq(teams.id, workspaces.teamId))
    .where(and(eq(workspaceMembers.userId, viewer.id), condition))
    .$dynamic();
}

function withType(rows: Omit<Workspace, 'type'>[]): Workspace[] {
  return rows.map((row) => ({ type: 'workspace', ...row }));
}

/** The workspace, if the viewer is a member whose role allows the action. Else NotFoundError or NotPermittedError. */
export async function requireWorkspace(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  workspaceId: string,
  action: Action,
): Promise<Workspace> {
  const [workspace] = await findWorkspaces(deps, viewer, [workspaceId]);
  if (workspace === undefined) throw new NotFoundError('workspace');
  requireRole(workspace.viewerRole, action);
  return workspace;
}

/** Throws ConflictError for a personal workspace. `done` says what was to be done to it, e.g. `left`. */
export function refusePersonal({ kind }: Pick<Workspace, 'kind'>, done: string): void {
  if (kind === 'PERSONAL')
    throw new ConflictError(`A personal workspace is one person’s own and cannot be ${done}.`);
}

/**
 * The viewer's personal workspace, created when it is first read: accounts do not create it, and two first requests may come
 * at once.
 */
export async function ensurePersonalWorkspace(deps: { db: Database }, viewer: Viewer): Promise<Workspace> {
  const existing = await findPersonalWorkspace(deps, viewer);
  if (existing !== undefined) return existing;
  await deps.db
    .insert(workspaces)
    .values({ kind: 'PERSONAL', name: 'Personal', ownerUserId: viewer.id })
    .onConflictDoNothing();
  const workspace = await findPersonalWorkspace(deps, viewer);
  if (workspace === undefined) throw new Error('personal workspace is missing after it was made');
  return workspace;
}

async function findPersonalWorkspace(deps: { db: Database }, viewer: Viewer): Promise<Workspace | undefined> {
  return withType(await selectWorkspaces(deps, viewer, eq(workspaces.kind, 'PERSONAL')))[0];
}
