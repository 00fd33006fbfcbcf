import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';
import {
  affectedTenantIds,
  announceMembers,
  deleteMembership,
  insertMembership,
  type PeopleDeps,
  requireMember,
} from './member.ts';
import { requireRoomForTeam, requireRoomForWorkspace } from './quotas.ts';
import { requireTeam, type Team } from './team.ts';
import { lockAndAuthorizeTeam, lockAndAuthorizeWorkspace, type Tenant } from './tenant.ts';
import { refusePersonal, requireWorkspace, type Workspace } from './workspace.ts';

/** Makes another member the OWNER of a shared workspace, whose plan then pays for it. The previous OWNER becomes ADMIN. */
export async function transferWorkspace(
  deps: PeopleDeps,
  viewer: Viewer,
  { id, userId }: { id: string; userId: string },
): Promise<Workspace> {
  const { workspace, reach } = await deps.db.transaction(async (tx) => {
    const locked = await lockAndAuthorizeWorkspace(tx, viewer, id, 'transfer');
    refusePersonal(locked, 'handed over');
    if (locked.teamId !== null)
      throw new ConflictError('This workspace belongs to its team. Hand over the team instead.');
    await changeOwner(tx, deps, viewer, locked, userId);
    return { workspace: await requireWorkspace({ db: tx }, viewer, id, 'read'), reach: [locked.id] };
  });
  announceMembers(deps, reach, [viewer.id, userId]);
  // Its plan is now that of the new owner.
  deps.changes.announce(workspace.id, [workspace.id]);
  return workspace;
}

/** Makes another member the OWNER of a team and its workspaces. The previous OWNER becomes ADMIN. */
export async function transferTeam(
  deps: PeopleDeps,
  viewer: Viewer,
  { id, userId }: { id: string; userId: string },
): Promise<Team> {
  const { team, reach } = await deps.db.transaction(async (tx) => {
    const locked = await lockAndAuthorizeTeam(tx, viewer, id, 'transfer');
    await changeOwner(tx, deps, viewer, locked, userId);
    return {
      team: await requireTeam({ db: tx }, viewer, id, 'read'),
      reach: await affectedTenantIds(tx, locked),
    };
  });
  announceMembers(deps, reach, [viewer.id, userId]);
  return team;
}

async function changeOwner(
  tx: Transaction,
  deps: PeopleDeps,
  viewer: Viewer,
  tenant: Tenant,
  userId: string,
): Promise<void> {
  const member = await requireMember(tx, tenant, userId);
  if (member.userId === viewer.id)
    throw new ConflictError(`You are the owner of this ${tenant.type} already.`);
  if (tenant.type === 'team') {
    await requireRoomForTeam(tx, userId, 'This person owns');
    await tx.update(teams).set({ ownerUserId: userId }).where(eq(teams.id, tenant.id));
  } else {
    await requireRoomForWorkspace(tx, userId, 'This person owns');
    await tx.update(workspaces).set({ ownerUserId: userId }).where(eq(workspaces.id, tenant.id));
  }
  await deleteMembership(tx, tenant, userId);
  await insertMembership(tx, tenant, viewer.id, 'ADMIN');
  await recordAudit(tx, deps, tenant.id, {
    action: 'OWNER_CHANGED',
    actorId: viewer.id,
    subjectId: userId,
    details: {},
  });
}
