import type { Viewer } from '../accounts/session.ts';
import type { Transaction } from '../audit/record-audit.ts';
import { ConflictError } from '../errors.ts';
import { announceMembers, type PeopleDeps, reachOf } from './announce-members.ts';
import { holdTeam, holdWorkspace } from './hold-owner.ts';
import { hasRoleFromTeam, requireMember } from './member.ts';
import { endMembership } from './membership-row.ts';
import type { Owner } from './owner.ts';
import { refusePersonal } from './workspace.ts';

/** Takes the viewer out of a shared workspace, and gives its id. */
export async function leaveWorkspace(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await leave(deps, viewer, async (tx) => {
    const workspace = await holdWorkspace(tx, viewer, id, 'read');
    refusePersonal(workspace, 'left');
    if (await hasRoleFromTeam(tx, workspace, viewer.id))
      throw new ConflictError(
        'Owners and admins of a team are in all of its workspaces. Leave the team instead.',
      );
    return workspace;
  });
}

/** Takes the viewer out of a team and all of its workspaces, and gives the team's id. */
export async function leaveTeam(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await leave(deps, viewer, (tx) => holdTeam(tx, viewer, id, 'read'));
}

async function leave(
  deps: PeopleDeps,
  viewer: Viewer,
  hold: (tx: Transaction) => Promise<Owner>,
): Promise<string> {
  const reach = await deps.db.transaction(async (tx) => {
    const owner = await hold(tx);
    if (owner.viewerRole === 'OWNER')
      throw new ConflictError(
        `The owner cannot leave. Hand the ${owner.type} over to somebody else first, or delete it.`,
      );
    const reach = await reachOf(tx, owner);
    await endMembership(tx, deps, viewer.id, owner, await requireMember(tx, owner, viewer.id));
    return reach;
  });
  announceMembers(deps, reach, [viewer.id]);
  return reach[0];
}
