import { and, eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { invitations } from '../db/tables/invitation.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { announceMembers, type PeopleDeps, reachOf } from './announce-members.ts';
import { lockOwner } from './hold-owner.ts';
import { isOpen } from './invitation.ts';
import type { InvitationLimits } from './invitation-limits.ts';
import { hashInvitationToken } from './invitation-token.ts';
import { insertMembership } from './membership-row.ts';
import { findOwners, type Owner } from './owner.ts';

/**
 * Makes the viewer a member of what the token invites into, and uses the invitation up. One that has expired, was used or
 * revoked, or whose maker may not invite any more, gives the same NotFoundError as a token that was made up.
 */
export async function acceptInvitation(
  deps: PeopleDeps & { invitationLimits: InvitationLimits },
  viewer: Viewer,
  { token }: { token: string },
): Promise<Owner> {
  deps.invitationLimits.take(viewer);
  const accepted = await deps.db.transaction((tx) => accept(tx, deps, viewer, token));
  if (accepted === undefined)
    throw new NotFoundError(
      'invitation',
      'It may have been used or revoked, or have expired: ask for another one.',
    );
  announceMembers(deps, accepted.reach, [viewer.id]);
  return accepted.owner;
}

async function accept(tx: Transaction, deps: PeopleDeps, viewer: Viewer, token: string) {
  const isIt = eq(invitations.tokenHash, hashInvitationToken(token));
  const [found] = await tx
    .select({ workspaceId: invitations.workspaceId, teamId: invitations.teamId })
    .from(invitations)
    .where(and(isIt, isOpen()));
  const ownerId = found?.workspaceId ?? found?.teamId;
  if (found === undefined || ownerId == null) return undefined;
  await lockOwner(tx, ownerId);
  // Whoever waited here finds the row gone, or still there but its maker without the right.
  const [invitation] = await tx
    .delete(invitations)
    .where(and(isIt, isOpen()))
    .returning({ role: invitations.role });
  if (invitation === undefined) return undefined;
  const [already] = await findOwners({ db: tx }, viewer, [ownerId]);
  if (already !== undefined)
    throw new ConflictError(
      `You are in this ${already.type} already. The invitation is still good for somebody else.`,
    );
  await insertMembership(
    tx,
    { type: found.teamId === null ? 'workspace' : 'team', id: ownerId },
    viewer.id,
    invitation.role,
  );
  const [owner] = await findOwners({ db: tx }, viewer, [ownerId]);
  if (owner === undefined) throw new Error('who was just let in is no member');
  const reach = await reachOf(tx, owner);
  await recordAudit(tx, deps, owner.id, {
    action: 'MEMBER_ADDED',
    actorId: viewer.id,
    subjectId: viewer.id,
    details: { role: invitation.role },
  });
  return { owner, reach };
}

/** Whether somebody who has no account yet brings a token that opens an invitation. It is not used up. */
export async function isInvited({ db }: { db: Database }, token: string): Promise<boolean> {
  const [invitation] = await db
    .select({ id: invitations.id })
    .from(invitations)
    .where(and(eq(invitations.tokenHash, hashInvitationToken(token)), isOpen()));
  return invitation !== undefined;
}
