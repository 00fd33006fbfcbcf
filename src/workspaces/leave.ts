import type { Viewer } from '../accounts/session.ts';
import type { Transaction } from '../audit/record-audit.ts';
import { ConflictError } from '../errors.ts';
import { affectedTenantIds, announceMembers, type PeopleDeps } from './announce-members.ts';
import { hasRoleFromTeam, requireMember } from './member.ts';
import { endMembership } from './membership-row.ts';
import type { Tenant } from './tenant.ts';
import { lockAndAuthorizeTeam, lockAndAuthorizeWorkspace } from './tenant.ts';
import { refusePersonal } from './workspace.ts';

/** Takes the viewer out of a shared workspace, and gives its id. */
export async function leaveWorkspace(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await leave(deps, viewer, async (tx) => {
    const workspace = await lockAndAuthorizeWorkspace(tx, viewer, id, 'read');
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
  return await leave(deps, viewer, (tx) => lockAndAuthorizeTeam(tx, viewer, id, 'read'));
}

async function leave(
  deps: PeopleDeps,
  viewer: Viewer,
  hold: (tx: Transaction) => Promise<Tenant>,
): Promise<string> {
  const reach = await deps.db.transaction(async (tx) => {
    const tenant = await hold(tx);
    if (tenant.viewerRole === 'OWNER')
      throw new ConflictError(
        `The owner cannot leave. Hand the ${tenant.type} over to somebody else first, or delete it.`,
      );
    const reach = await affectedTenantIds(tx, tenant);
    await endMembership(tx, deps, viewer.id, tenant, await requireMember(tx, tenant, viewer.id));
    return reach;
  });
  announceMembers(deps, reach, [viewer.id]);
  return reach[0];
}
