import { and, eq, inArray, lte, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { lockTenantForUpdate } from '../db/lock-order.ts';
import { invitations } from '../db/tables/invitation.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { Role } from '../plans-and-roles.ts';
import {
  hashInvitationToken,
  type Invitation,
  type InvitationLimits,
  invitationColumns,
  isInto,
  isOpen,
  newInvitationToken,
} from './invitation.ts';
import { affectedTenantIds, announceMembers, insertMembership, type PeopleDeps } from './member.ts';
import { givenRole } from './permissions.ts';
import {
  findTenants,
  lockAndAuthorizeTenant,
  type Tenant,
  type TenantInput,
  tenantColumns,
} from './tenant.ts';
import { refusePersonal } from './workspace.ts';

/**
 * Creates an invitation into a shared workspace or a team. Returns the token that accepts it, of which only a hash is stored.
 */
export async function createInvitation(
  deps: PeopleDeps,
  viewer: Viewer,
  input: TenantInput & { role: Role; expiresInHours?: number | null | undefined },
): Promise<{ invitation: Invitation; token: string }> {
  const expiresAt = expiryOf(input.expiresInHours ?? DEFAULT_HOURS);
  const { token, tokenHash } = newInvitationToken();
  const invitation = await deps.db.transaction(async (tx) => {
    const tenant = await lockAndAuthorizeTenant(tx, viewer, input, 'manageMembers');
    const role = givenRole(tenant.type, input.role);
    requireInvitable(tenant);
    await pruneExpiredInvitations(tx, tenant.id);
    const [made] = await tx
      .insert(invitations)
      .values({ ...tenantColumns(tenant.id), role, tokenHash, createdBy: viewer.id, expiresAt })
      .returning(invitationColumns);
    if (made === undefined) throw new Error('an inserted invitation was not returned');
    await recordAudit(tx, deps, tenant.id, {
      action: 'INVITATION_CREATED',
      actorId: viewer.id,
      subjectId: made.id,
      details: { role },
    });
    return made;
  });
  return { invitation, token };
}

/** Revokes an invitation and returns its id. */
export async function revokeInvitation(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await deps.db.transaction(async (tx) => {
    const byId = inArray(invitations.id, idsOf('inv', [id]));
    const [into] = await tx
      .select({ workspaceId: invitations.workspaceId, teamId: invitations.teamId })
      .from(invitations)
      .where(byId);
    const tenantId = into?.workspaceId ?? into?.teamId;
    if (into === undefined || tenantId == null) throw new NotFoundError('invitation');
    const [seen] = await findTenants({ db: tx }, viewer, [tenantId]);
    if (seen === undefined) throw new NotFoundError('invitation');
    const tenant = await lockAndAuthorizeTenant(tx, viewer, into, 'manageMembers');
    const [revoked] = await tx.delete(invitations).where(byId).returning({ role: invitations.role });
    if (revoked === undefined) throw new NotFoundError('invitation');
    await recordAudit(tx, deps, tenant.id, {
      action: 'INVITATION_REVOKED',
      actorId: viewer.id,
      subjectId: id,
      details: { role: revoked.role },
    });
    return id;
  });
}

function requireInvitable(tenant: Tenant): void {
  if (tenant.type === 'team') return;
  refusePersonal(tenant, 'shared');
  if (tenant.teamId !== null)
    throw new ConflictError(
      'Only people of the team can be in its workspaces. Invite them to the team, then use `addMember`.',
    );
}

/** Deletes expired invitations, which no longer count. Throws ConflictError if too many are open. */
async function pruneExpiredInvitations(tx: Transaction, tenantId: string): Promise<void> {
  await tx.delete(invitations).where(and(isInto(tenantId), lte(invitations.expiresAt, sql`now()`)));
  if ((await tx.$count(invitations, and(isInto(tenantId), isOpen()))) >= MAX_OPEN)
    throw new ConflictError(`There are ${MAX_OPEN} open invitations, which is the most. Revoke one first.`);
}

function expiryOf(hours: number): Date {
  if (hours >= 1 && hours <= MAX_HOURS) return new Date(Date.now() + hours * 60 * 60 * 1_000);
  throw new InvalidInputError('expiresInHours', `An invitation is good for 1 to ${MAX_HOURS} hours.`);
}

/** A week, so that a holiday does not outlast it. */
export const DEFAULT_HOURS = 168;
const MAX_HOURS = 720;
const MAX_OPEN = 100;

/**
 * Makes the viewer a member of the invitation's tenant, and deletes the invitation. One that has expired, was used or revoked,
 * or whose creator may not invite any more, throws the same NotFoundError as an invented token.
 */
export async function acceptInvitation(
  deps: PeopleDeps & { invitationLimits: InvitationLimits },
  viewer: Viewer,
  { token }: { token: string },
): Promise<Tenant> {
  await deps.invitationLimits.take(viewer);
  const accepted = await deps.db.transaction((tx) => accept(tx, deps, viewer, token));
  if (accepted === undefined)
    throw new NotFoundError(
      'invitation',
      'It may have been used or revoked, or have expired: ask for another one.',
    );
  announceMembers(deps, accepted.reach, [viewer.id]);
  return accepted.tenant;
}

async function accept(tx: Transaction, deps: PeopleDeps, viewer: Viewer, token: string) {
  const byToken = eq(invitations.tokenHash, hashInvitationToken(token));
  const [found] = await tx
    .select({ workspaceId: invitations.workspaceId, teamId: invitations.teamId })
    .from(invitations)
    .where(and(byToken, isOpen()));
  const tenantId = found?.workspaceId ?? found?.teamId;
  if (found === undefined || tenantId == null) return undefined;
  await lockTenantForUpdate(tx, tenantId);
  // Checked again under the lock: the invitation may be gone, or its creator may not manage members any more.
  const [invitation] = await tx
    .delete(invitations)
    .where(and(byToken, isOpen()))
    .returning({ role: invitations.role });
  if (invitation === undefined) return undefined;
  const [already] = await findTenants({ db: tx }, viewer, [tenantId]);
  if (already !== undefined)
    throw new ConflictError(
      `You are in this ${already.type} already. The invitation is still good for another person.`,
    );
  await insertMembership(
    tx,
    { type: found.teamId === null ? 'workspace' : 'team', id: tenantId },
    viewer.id,
    invitation.role,
  );
  const [tenant] = await findTenants({ db: tx }, viewer, [tenantId]);
  if (tenant === undefined) throw new Error('a new member was not found');
  const reach = await affectedTenantIds(tx, tenant);
  await recordAudit(tx, deps, tenant.id, {
    action: 'MEMBER_ADDED',
    actorId: viewer.id,
    subjectId: viewer.id,
    details: { role: invitation.role },
  });
  return { tenant, reach };
}

/** Whether the token, sent by a person without an account, is that of an open invitation. Does not use it up. */
export async function isInvited({ db }: { db: Database }, token: string): Promise<boolean> {
  const [invitation] = await db
    .select({ id: invitations.id })
    .from(invitations)
    .where(and(eq(invitations.tokenHash, hashInvitationToken(token)), isOpen()));
  return invitation !== undefined;
}
