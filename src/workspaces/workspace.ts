import { and, asc, eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { users } from '../db/tables/user.ts';
import { memberships, workspaces } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import { type Action, type Role, requireRole } from './membership.ts';
import type { Plan } from './plan.ts';

/** A workspace as one of its members sees it. */
export interface Workspace {
  id: string;
  kind: 'PERSONAL' | 'SHARED';
  name: string;
  createdAt: Date;
  viewerRole: Role;
  /** The payer's own plan; null means the server's default. */
  payerPlan: Plan | null;
}

/** The viewer's workspaces among the given ids, all of them if none are given; the personal one first. */
export async function findWorkspaces(
  { db }: { db: Database },
  viewer: Viewer,
  ids?: readonly string[],
): Promise<Workspace[]> {
  return await db
    .select({
      id: workspaces.id,
      kind: workspaces.kind,
      name: workspaces.name,
      createdAt: workspaces.createdAt,
      viewerRole: memberships.role,
      payerPlan: users.plan,
    })
    .from(memberships)
    .innerJoin(workspaces, eq(workspaces.id, memberships.workspaceId))
    .innerJoin(users, eq(users.id, workspaces.ownerUserId))
    .where(and(eq(memberships.userId, viewer.id), ids && inArray(workspaces.id, idsOf('wsp', ids))))
    .orderBy(asc(workspaces.kind), asc(workspaces.id)); // PERSONAL sorts before SHARED
}

/** The workspace, if the viewer is a member whose role allows the action. Else NotFoundError or NotPermittedError. */
export async function requireWorkspace(
  deps: { db: Database },
  viewer: Viewer,
  workspaceId: string,
  action: Action,
): Promise<Workspace> {
  const [workspace] = await findWorkspaces(deps, viewer, [workspaceId]);
  if (workspace === undefined) throw new NotFoundError('workspace');
  requireRole(workspace.viewerRole, action);
  return workspace;
}

/**
 * The viewer's personal workspace, made at the first look: an account exists before the first request that could make it,
 * and two first requests may come at once.
 */
export async function ensurePersonalWorkspace(deps: { db: Database }, viewer: Viewer): Promise<Workspace> {
  const existing = await findPersonalWorkspace(deps, viewer);
  if (existing !== undefined) return existing;
  await deps.db.transaction(async (tx) => {
    const [made] = await tx
      .insert(workspaces)
      .values({ kind: 'PERSONAL', name: 'Personal', ownerUserId: viewer.id })
      .onConflictDoNothing()
      .returning({ id: workspaces.id });
    if (made === undefined) return;
    await tx.insert(memberships).values({ workspaceId: made.id, userId: viewer.id, role: 'OWNER' });
  });
  const workspace = await findPersonalWorkspace(deps, viewer);
  if (workspace === undefined) throw new Error('personal workspace is missing after it was made');
  return workspace;
}

async function findPersonalWorkspace(deps: { db: Database }, viewer: Viewer): Promise<Workspace | undefined> {
  return (await findWorkspaces(deps, viewer)).find((workspace) => workspace.kind === 'PERSONAL');
}
