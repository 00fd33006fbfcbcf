import { and, eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { invitations } from '../db/tables/invitation.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { affectedTenantIds, announceMembers, type PeopleDeps } from './announce-members.ts';
import { isOpen } from './invitation.ts';
import type { InvitationLimits } from './invitation-limits.ts';
import { hashInvitationToken } from './invitation-token.ts';
import { insertMembership } from './membership-row.ts';
import { findTenants, lockTenantForUpdate, type Tenant } from './tenant.ts';

/**
 * Makes the viewer a member of what the token invites into, and uses the invitation up. One that has expired, was used or
 * revoked, or whose maker may not invite any more, gives the same NotFoundError as a token that was made up.
 */
export async function acceptInvitation(
  deps: PeopleDeps & { invitationLimits: InvitationLimits },
  viewer: Viewer,
  { token }: { token: string },
): Promise<Tenant> {
  deps.invitationLimits.take(viewer);
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
  const isIt = eq(invitations.tokenHash, hashInvitationToken(token));
  const [found] = await tx
    .select({ workspaceId: invitations.workspaceId, teamId: invitations.teamId })
    .from(invitations)
    .where(and(isIt, isOpen()));
  const tenantId = found?.workspaceId ?? found?.teamId;
  if (found === undefined || tenantId == null) return undefined;
  await lockTenantForUpdate(tx, tenantId);
  // Whoever waited here finds the row gone, or still there but its maker without the right.
  const [invitation] = await tx
    .delete(invitations)
    .where(and(isIt, isOpen()))
    .returning({ role: invitations.role });
  if (invitation === undefined) return undefined;
  const [already] = await findTenants({ db: tx }, viewer, [tenantId]);
  if (already !== undefined)
    throw new ConflictError(
      `You are in this ${already.type} already. The invitation is still good for somebody else.`,
    );
  await insertMembership(
    tx,
    { type: found.teamId === null ? 'workspace' : 'team', id: tenantId },
    viewer.id,
    invitation.role,
  );
  const [tenant] = await findTenants({ db: tx }, viewer, [tenantId]);
  if (tenant === undefined) throw new Error('who was just let in is no member');
  const reach = await affectedTenantIds(tx, tenant);
  await recordAudit(tx, deps, tenant.id, {
    action: 'MEMBER_ADDED',
    actorId: viewer.id,
    subjectId: viewer.id,
    details: { role: invitation.role },
  });
  return { tenant, reach };
}

/** Whether somebody who has no account yet brings a token that opens an invitation. It is not used up. */
export async function isInvited({ db }: { db: Database }, token: string): Promise<boolean> {
  const [invitation] = await db
    .select({ id: invitations.id })
    .from(invitations)
    .where(and(eq(invitations.tokenHash, hashInvitationToken(token)), isOpen()));
  return invitation !== undefined;
}
