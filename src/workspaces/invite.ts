import { and, inArray, lte, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { idsOf } from '../db/id.ts';
import { invitations } from '../db/tables/invitation.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { PeopleDeps } from './announce-members.ts';
import { type Invitation, invitationColumns, isInto, isOpen } from './invitation.ts';
import { newInvitationToken } from './invitation-token.ts';
import { givenRole, type Role } from './membership.ts';
import {
  findTenants,
  lockAndAuthorizeTenant,
  type Tenant,
  type TenantInput,
  tenantColumns,
} from './tenant.ts';
import { refusePersonal } from './workspace.ts';

/**
 * Invites whoever gets the token into a shared workspace or a team. It is given once, here: what is stored of it is a hash.
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
    await makeRoom(tx, tenant.id);
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

/** Takes an invitation back, and gives its id. */
export async function revokeInvitation(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  return await deps.db.transaction(async (tx) => {
    const isIt = inArray(invitations.id, idsOf('inv', [id]));
    const [into] = await tx
      .select({ workspaceId: invitations.workspaceId, teamId: invitations.teamId })
      .from(invitations)
      .where(isIt);
    const tenantId = into?.workspaceId ?? into?.teamId;
    if (into === undefined || tenantId == null) throw new NotFoundError('invitation');
    const [seen] = await findTenants({ db: tx }, viewer, [tenantId]);
    if (seen === undefined) throw new NotFoundError('invitation');
    const tenant = await lockAndAuthorizeTenant(tx, viewer, into, 'manageMembers');
    const [revoked] = await tx.delete(invitations).where(isIt).returning({ role: invitations.role });
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

/** What has expired counts no longer and goes. Throws ConflictError if too many are open. */
async function makeRoom(tx: Transaction, tenantId: string): Promise<void> {
  await tx.delete(invitations).where(and(isInto(tenantId), lte(invitations.expiresAt, sql`now()`)));
  if ((await tx.$count(invitations, and(isInto(tenantId), isOpen()))) >= MAX_OPEN)
    throw new ConflictError(`There are ${MAX_OPEN} open invitations, which is the most. Revoke one first.`);
}

function expiryOf(hours: number): Date {
  if (hours >= 1 && hours <= MAX_HOURS) return new Date(Date.now() + hours * 60 * 60 * 1_000);
  throw new InvalidInputError([
    { path: 'expiresInHours', message: `An invitation is good for 1 to ${MAX_HOURS} hours.` },
  ]);
}

/** A week: long enough for somebody on holiday. */
export const DEFAULT_HOURS = 168;
const MAX_HOURS = 720;
const MAX_OPEN = 100;
