import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import type { Role } from '../plans-and-roles.ts';
import {
  affectedTenantIds,
  announceMembers,
  endMembership,
  findMember,
  hasRoleFromTeam,
  insertMembership,
  type Member,
  type PeopleDeps,
  requireMember,
  updateMembership,
} from './member.ts';
import { givenRole } from './permissions.ts';
import {
  lockAndAuthorizeTeam,
  lockAndAuthorizeTenant,
  lockAndAuthorizeWorkspace,
  type Tenant,
  type TenantInput,
} from './tenant.ts';
import { refusePersonal } from './workspace.ts';

/** Adds a member of a team to one of its workspaces. */
export async function addMember(
  deps: PeopleDeps,
  viewer: Viewer,
  input: { workspaceId: string; userId: string; role: Role },
): Promise<Member> {
  const member = await deps.db.transaction(async (tx) => {
    const workspace = await lockAndAuthorizeWorkspace(tx, viewer, input.workspaceId, 'manageMembers');
    const role = givenRole('workspace', input.role);
    if (workspace.teamId === null)
      throw new ConflictError(
        'Only people of a team can be added, and this workspace belongs to a person. Use `createInvitation`.',
      );
    const team = { type: 'team', id: workspace.teamId } as const;
    if ((await findMember(tx, team, input.userId)) === undefined)
      throw new NotFoundError('person in the team');
    if ((await findMember(tx, workspace, input.userId)) !== undefined)
      throw new ConflictError(
        'This person is in the workspace already. Use `updateMember` for another role.',
      );
    await insertMembership(tx, workspace, input.userId, role);
    const added = await requireMember(tx, workspace, input.userId);
    await recordAudit(tx, deps, workspace.id, {
      action: 'MEMBER_ADDED',
      actorId: viewer.id,
      subjectId: added.userId,
      details: { role },
    });
    return added;
  });
  announceMembers(deps, [member.tenantId], [member.userId]);
  return member;
}

/** Changes the role of a member; one in a team applies in its workspaces too. */
export async function updateMember(
  deps: PeopleDeps,
  viewer: Viewer,
  input: TenantInput & { userId: string; role: Role },
): Promise<Member> {
  const { member, reach } = await deps.db.transaction(async (tx) => {
    const tenant = await lockAndAuthorizeTenant(tx, viewer, input, 'manageMembers');
    const role = givenRole(tenant.type, input.role);
    const before = await requireChangeable(tx, tenant, input.userId);
    if (before.role === role) return { member: before, reach: [] };
    await updateMembership(tx, tenant, before.userId, role);
    const reach = await affectedTenantIds(tx, tenant);
    await recordAudit(tx, deps, tenant.id, {
      action: 'MEMBER_CHANGED',
      actorId: viewer.id,
      subjectId: before.userId,
      details: { previousRole: before.role, role },
    });
    return { member: { ...before, role }, reach };
  });
  announceMembers(deps, reach, [member.userId]);
  return member;
}

/** Removes a member; from a team, from all of its workspaces too. */
export async function removeMember(
  deps: PeopleDeps,
  viewer: Viewer,
  input: TenantInput & { userId: string },
): Promise<Member> {
  const { member, reach } = await deps.db.transaction(async (tx) => {
    const tenant = await lockAndAuthorizeTenant(tx, viewer, input, 'manageMembers');
    const member = await requireChangeable(tx, tenant, input.userId);
    const reach = await affectedTenantIds(tx, tenant);
    await endMembership(tx, deps, viewer.id, tenant, member);
    return { member, reach };
  });
  announceMembers(deps, reach, [member.userId]);
  return member;
}

/** The member, if others may change or remove the membership. Throws NotFoundError or ConflictError. */
async function requireChangeable(tx: Transaction, tenant: Tenant, userId: string): Promise<Member> {
  const member = await requireMember(tx, tenant, userId);
  if (await hasRoleFromTeam(tx, tenant, userId))
    throw new ConflictError(
      'This person is an owner or admin of the team, and so of all its workspaces. Change that in the team: give its `teamId`.',
    );
  if (member.role === 'OWNER')
    throw new ConflictError(
      `The owner can be neither changed nor removed. The owner can hand the ${tenant.type} over to another person.`,
    );
  return member;
}

/** Ends the viewer's membership in a shared workspace and returns its id. */
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

/** Ends the viewer's memberships in a team and all of its workspaces. Returns the id of that in the team. */
export async function leaveTeam(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await leave(deps, viewer, (tx) => lockAndAuthorizeTeam(tx, viewer, id, 'read'));
}

async function leave(
  deps: PeopleDeps,
  viewer: Viewer,
  lock: (tx: Transaction) => Promise<Tenant>,
): Promise<string> {
  const { member, reach } = await deps.db.transaction(async (tx) => {
    const tenant = await lock(tx);
    if (tenant.viewerRole === 'OWNER')
      throw new ConflictError(
        `The owner cannot leave. Hand the ${tenant.type} over to another person first, or delete it.`,
      );
    const reach = await affectedTenantIds(tx, tenant);
    const member = await requireMember(tx, tenant, viewer.id);
    await endMembership(tx, deps, viewer.id, tenant, member);
    return { member, reach };
  });
  announceMembers(deps, reach, [viewer.id]);
  return member.id;
}
