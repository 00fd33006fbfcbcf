import { and, eq, inArray } from 'drizzle-orm';
import { type AuditDeps, recordAudit, type Transaction } from '../audit/record-audit.ts';
import { teamMemberships } from '../db/tables/team.ts';
import { memberships, workspaces } from '../db/tables/workspace.ts';
import type { Member, TenantKey } from './member.ts';
import { givenRole, type Role } from './membership.ts';

/** Lets somebody into a workspace or team who is not in it. Throws InvalidInputError for a role that cannot be given. */
export async function insertMembership(
  tx: Transaction,
  { type, id }: TenantKey,
  userId: string,
  role: Role,
): Promise<void> {
  if (type === 'team')
    await tx.insert(teamMemberships).values({ teamId: id, userId, role: givenRole(type, role) });
  else await tx.insert(memberships).values({ workspaceId: id, userId, role: givenRole(type, role) });
}

/** Gives another role to somebody who was let in. Throws InvalidInputError for one that cannot be given. */
export async function updateMembership(
  tx: Transaction,
  { type, id }: TenantKey,
  userId: string,
  role: Role,
): Promise<void> {
  if (type === 'team')
    await tx
      .update(teamMemberships)
      .set({ role: givenRole(type, role) })
      .where(and(eq(teamMemberships.teamId, id), eq(teamMemberships.userId, userId)));
  else
    await tx
      .update(memberships)
      .set({ role: givenRole(type, role) })
      .where(and(eq(memberships.workspaceId, id), eq(memberships.userId, userId)));
}

/** Takes somebody out of a workspace or team again. */
export async function deleteMembership(
  tx: Transaction,
  { type, id }: TenantKey,
  userId: string,
): Promise<void> {
  if (type === 'team')
    await tx
      .delete(teamMemberships)
      .where(and(eq(teamMemberships.teamId, id), eq(teamMemberships.userId, userId)));
  else
    await tx.delete(memberships).where(and(eq(memberships.workspaceId, id), eq(memberships.userId, userId)));
}

/**
 * Takes a member out for good and records it: out of a team's workspaces too, so that who is let into the team again later is
 * not in them at once. Threads stay, private ones as well, which nobody sees until that person is back.
 */
export async function endMembership(
  tx: Transaction,
  deps: AuditDeps,
  actorId: string,
  tenant: TenantKey,
  { userId, role }: Member,
): Promise<void> {
  const action = actorId === userId ? ('MEMBER_LEFT' as const) : ('MEMBER_REMOVED' as const);
  const event = { action, actorId, subjectId: userId };
  if (tenant.type === 'team')
    for (const ended of await deleteMembershipsInTeam(tx, tenant.id, userId))
      await recordAudit(tx, deps, ended.workspaceId, { ...event, details: { role: ended.role } });
  await deleteMembership(tx, tenant, userId);
  await recordAudit(tx, deps, tenant.id, { ...event, details: { role } });
}

/** By id of the workspace, the order in which everybody takes their logs. */
async function deleteMembershipsInTeam(tx: Transaction, teamId: string, userId: string) {
  const ofTeam = tx.select({ id: workspaces.id }).from(workspaces).where(eq(workspaces.teamId, teamId));
  const deleted = await tx
    .delete(memberships)
    .where(and(eq(memberships.userId, userId), inArray(memberships.workspaceId, ofTeam)))
    .returning({ workspaceId: memberships.workspaceId, role: memberships.role });
  return deleted.toSorted((left, right) => (left.workspaceId < right.workspaceId ? -1 : 1));
}
