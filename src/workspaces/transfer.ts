import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';
import { announceMembers, type PeopleDeps, reachOf } from './announce-members.ts';
import { holdTeam, holdWorkspace } from './hold-owner.ts';
import { requireMember } from './member.ts';
import { deleteMembership, insertMembership } from './membership-row.ts';
import { requireRoomForTeam, requireRoomForWorkspace } from './owned-limits.ts';
import type { Owner } from './owner.ts';
import { requireTeam, type Team } from './team.ts';
import { refusePersonal, requireWorkspace, type Workspace } from './workspace.ts';

/** Hands a shared workspace over to one of its members, who pays for it from now on. The previous OWNER becomes ADMIN. */
export async function transferWorkspace(
  deps: PeopleDeps,
  viewer: Viewer,
  { id, userId }: { id: string; userId: string },
): Promise<Workspace> {
  const { workspace, reach } = await deps.db.transaction(async (tx) => {
    const held = await holdWorkspace(tx, viewer, id, 'transfer');
    refusePersonal(held, 'handed over');
    if (held.teamId !== null)
      throw new ConflictError('This workspace belongs to its team. Hand over the team instead.');
    await changeOwner(tx, deps, viewer, held, userId);
    return { workspace: await requireWorkspace({ db: tx }, viewer, id, 'read'), reach: [held.id] };
  });
  announceMembers(deps, reach, [viewer.id, userId]);
  // Its plan is the new owner's.
  deps.changes.announce(workspace.id, [workspace.id]);
  return workspace;
}

/** Hands a team with everything it owns over to one of its members. The previous OWNER becomes ADMIN. */
export async function transferTeam(
  deps: PeopleDeps,
  viewer: Viewer,
  { id, userId }: { id: string; userId: string },
): Promise<Team> {
  const { team, reach } = await deps.db.transaction(async (tx) => {
    const held = await holdTeam(tx, viewer, id, 'transfer');
    await changeOwner(tx, deps, viewer, held, userId);
    return { team: await requireTeam({ db: tx }, viewer, id, 'read'), reach: await reachOf(tx, held) };
  });
  announceMembers(deps, reach, [viewer.id, userId]);
  return team;
}

async function changeOwner(
  tx: Transaction,
  deps: PeopleDeps,
  viewer: Viewer,
  owner: Owner,
  userId: string,
): Promise<void> {
  const member = await requireMember(tx, owner, userId);
  if (member.userId === viewer.id)
    throw new ConflictError(`You are the owner of this ${owner.type} already.`);
  if (owner.type === 'team') {
    await requireRoomForTeam(tx, userId, 'This person owns');
    await tx.update(teams).set({ ownerUserId: userId }).where(eq(teams.id, owner.id));
  } else {
    await requireRoomForWorkspace(tx, userId, 'This person owns');
    await tx.update(workspaces).set({ ownerUserId: userId }).where(eq(workspaces.id, owner.id));
  }
  await deleteMembership(tx, owner, userId);
  await insertMembership(tx, owner, viewer.id, 'ADMIN');
  await recordAudit(tx, deps, owner.id, {
    action: 'OWNER_CHANGED',
    actorId: viewer.id,
    subjectId: userId,
    details: {},
  });
}
