import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { threads } from '../db/tables/thread.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { announceMembers, memberIdsOf, type PeopleDeps } from './member.ts';
import { requireRoomForWorkspace, requireRoomInTeam } from './quotas.ts';
import { checkName, lockAndAuthorizeTeam, lockAndAuthorizeWorkspace } from './tenant.ts';
import { refusePersonal, requireWorkspace, type Workspace } from './workspace.ts';

/** Creates a shared workspace: the viewer's own, or a team's if one is named. */
export async function createWorkspace(
  deps: PeopleDeps,
  viewer: Viewer,
  input: { name: string; teamId?: string | null | undefined },
): Promise<Workspace> {
  const name = checkName(input.name);
  const { workspace, userIds } = await deps.db.transaction(async (tx) => {
    const payer = await holdPayer(tx, viewer, input.teamId ?? null);
    const [made] = await tx
      .insert(workspaces)
      .values({ kind: 'SHARED', name, ...payer })
      .returning({ id: workspaces.id });
    if (made === undefined) throw new Error('an inserted workspace was not returned');
    const workspace = await requireWorkspace({ db: tx }, viewer, made.id, 'read');
    await auditLifecycle(tx, deps, viewer, workspace, 'WORKSPACE_CREATED');
    return { workspace, userIds: await memberIdsOf(tx, workspace) };
  });
  announceMembers(deps, [workspace.id], userIds);
  return workspace;
}

async function holdPayer(tx: Transaction, viewer: Viewer, teamId: string | null) {
  if (teamId === null) {
    await requireRoomForWorkspace(tx, viewer.id, 'You own');
    return { ownerUserId: viewer.id };
  }
  const team = await lockAndAuthorizeTeam(tx, viewer, teamId, 'createTeamWorkspace');
  await requireRoomInTeam(tx, team.id);
  return { teamId: team.id };
}

/** Renames a workspace. */
export async function updateWorkspace(
  deps: PeopleDeps,
  viewer: Viewer,
  input: { id: string; name?: string | null | undefined },
): Promise<Workspace> {
  const name = input.name == null ? undefined : checkName(input.name);
  const workspace = await deps.db.transaction(async (tx) => {
    const before = await lockAndAuthorizeWorkspace(tx, viewer, input.id, 'rename');
    if (name === undefined || name === before.name) return before;
    await tx.update(workspaces).set({ name }).where(eq(workspaces.id, before.id));
    await recordAudit(tx, deps, before.id, {
      action: 'WORKSPACE_CHANGED',
      actorId: viewer.id,
      subjectId: before.id,
      details: { previousName: before.name, name },
    });
    return { ...before, name };
  });
  deps.changes.announce(workspace.id, [workspace.id]);
  return workspace;
}

/** Deletes a shared workspace with everything in it and returns its id. Answers that are being written in it end. */
export async function deleteWorkspace(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  // A checkpoint locks answers in another order, so a deadlock is possible: retry.
  const { userIds, threadIds } = await retryConflicts(() =>
    deps.db.transaction((tx) => deleteAll(tx, deps, viewer, id)),
  );
  for (const threadId of threadIds) deps.changes.announce(threadId, [threadId]);
  announceMembers(deps, [id], userIds);
  deps.changes.announce(id, [id]);
  return id;
}

async function deleteAll(
  tx: Transaction,
  deps: PeopleDeps,
  viewer: Viewer,
  id: string,
): Promise<{ userIds: string[]; threadIds: string[] }> {
  const workspace = await lockAndAuthorizeWorkspace(tx, viewer, id, 'delete');
  refusePersonal(workspace, 'deleted');
  const userIds = await memberIdsOf(tx, workspace);
  // Threads in a statement of their own: saving an answer locks its thread first, but deleting models would lock answers first.
  const deleted = await tx.delete(threads).where(eq(threads.workspaceId, id)).returning({ id: threads.id });
  await tx.delete(workspaces).where(eq(workspaces.id, id));
  await auditLifecycle(tx, deps, viewer, workspace, 'WORKSPACE_DELETED');
  return { userIds, threadIds: deleted.map((thread) => thread.id) };
}

/** Records on the workspace's own log and on its team's, which stays readable when the workspace is deleted. */
async function auditLifecycle(
  tx: Transaction,
  deps: PeopleDeps,
  viewer: Viewer,
  { id, name, teamId }: Workspace,
  action: 'WORKSPACE_CREATED' | 'WORKSPACE_DELETED',
): Promise<void> {
  const event = { action, actorId: viewer.id, subjectId: id, details: { name } };
  await recordAudit(tx, deps, id, event);
  if (teamId !== null) await recordAudit(tx, deps, teamId, event);
}
