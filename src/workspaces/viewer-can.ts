import { type Action, mayDo } from './permissions.ts';
import type { Team } from './team.ts';
import type { Tenant } from './tenant.ts';

/**
 * Whether the role of the viewer allows an action in a workspace or team and the action exists for its kind. Conditions on
 * its contents, such as a team that still has workspaces, are checked by the mutation.
 */
export function viewerCan(tenant: Tenant, action: Action): boolean {
  return mayDo(tenant.viewerRole, action) && isDoneIn(tenant, action);
}

function isDoneIn(tenant: Tenant, action: Action): boolean {
  if (tenant.type === 'team') return true;
  switch (action) {
    case 'manageMembers':
    case 'delete':
      return tenant.kind === 'SHARED';
    case 'transfer':
      return tenant.kind === 'SHARED' && tenant.teamId === null;
    default:
      return true;
  }
}

/** Whether the viewer can leave a workspace or team. `team` is that of the workspace, as the viewer sees it. */
export function viewerCanLeave(tenant: Tenant, team: Team | null): boolean {
  if (tenant.viewerRole === 'OWNER') return false;
  if (tenant.type === 'team') return true;
  // Owners and admins of a team are in all of its workspaces.
  return tenant.kind === 'SHARED' && (team === null || team.viewerRole === 'MEMBER');
}
