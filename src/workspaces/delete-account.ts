import { and, asc, eq, exists, or, sql } from 'drizzle-orm';
import type { AuditEvent } from '../audit/action.ts';
import { type AuditDeps, recordAudit, type Transaction } from '../audit/record-audit.ts';
import { counted } from '../counted.ts';
import { lockTenantsOfUserForUpdate, lockUserForUpdate } from '../db/lock-order.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { teamMemberships, teams } from '../db/tables/team.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { sessions, users } from '../db/tables/user.ts';
import { memberships, workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';
import type { Role } from '../plans-and-roles.ts';
import { announceMembers, type PeopleDeps } from './member.ts';

/**
 * Deletes an account with all that is its own: the personal workspace with keys, models and threads, memberships,
 * invitations, sessions, and private threads in shared workspaces, which no other person can see. Messages in threads that
 * others see stay, without an author. Throws ConflictError while the person owns a shared workspace or a team.
 *
 * One transaction, with the user's own row in it: after a crash the account is complete or gone.
 */
export async function removeAccount(deps: PeopleDeps, userId: string): Promise<void> {
  const removed = await retryConflicts(
    () => deps.db.transaction((tx) => removeAllOf(tx, deps, userId)),
    STILL_REFERENCED,
  );
  const { changes } = deps;
  const { personal, memberships } = removed;
  announceMembers(
    deps,
    [...personal, ...memberships].map(({ tenantId }) => tenantId),
    [userId],
  );
  for (const { id, workspaceId, visibility } of removed.threads) {
    changes.announce(id, [id]);
    // A private thread was never sent to other members of the workspace.
    if (visibility === 'WORKSPACE') changes.announce(workspaceId, [id]);
  }
  for (const { id } of removed.sessions) changes.announce(id, [id]);
}

/** Locks in the order of `db/lock-order`. */
async function removeAllOf(tx: Transaction, deps: AuditDeps, userId: string) {
  await lockTenantsOfUserForUpdate(tx, userId);
  const belongings = await findBelongings(tx, userId);
  await refuseOwnerOfShared(tx, userId);
  const deleted = await deleteThreads(tx, userId);
  const touched = await touchThreads(tx, userId);
  await tx.delete(workspaces).where(eq(workspaces.ownerUserId, userId));
  // Under this lock no session can be added for the user, so the delete misses none.
  await lockUserForUpdate(tx, userId);
  const ended = await tx.delete(sessions).where(eq(sessions.userId, userId)).returning({ id: sessions.id });
  await tx.delete(users).where(eq(users.id, userId));
  await record(tx, deps, userId, belongings);
  return { ...belongings, threads: [...deleted, ...touched], sessions: ended };
}

/** Deletes the threads of the personal workspace and private ones elsewhere. Before the keys: sending locks in that order. */
async function deleteThreads(tx: Transaction, userId: string) {
  const isPersonal = tx
    .select()
    .from(workspaces)
    .where(and(eq(workspaces.id, threads.workspaceId), eq(workspaces.ownerUserId, userId)));
  return await tx
    .delete(threads)
    .where(or(exists(isPersonal), and(eq(threads.createdBy, userId), eq(threads.visibility, 'PRIVATE'))))
    .returning({ id: threads.id, workspaceId: threads.workspaceId, visibility: threads.visibility });
}

/** Raises the revision of threads in which the name disappears, so that clients fetch them again. */
async function touchThreads(tx: Transaction, userId: string) {
  const isAuthor = tx
    .select()
    .from(messages)
    .where(and(eq(messages.threadId, threads.id), eq(messages.authorId, userId)));
  return await tx
    .update(threads)
    .set({ revision: sql`${threads.revision} + 1` })
    .where(or(eq(threads.createdBy, userId), exists(isAuthor)))
    .returning({ id: threads.id, workspaceId: threads.workspaceId, visibility: threads.visibility });
}

/** Audit logs outlive their tenants, that of the personal workspace too. */
async function record(
  tx: Transaction,
  deps: AuditDeps,
  userId: string,
  belongings: Belongings,
): Promise<void> {
  const { personal, memberships } = belongings;
  const events: { tenantId: string; event: AuditEvent }[] = [
    ...personal.map(({ tenantId, name }) => ({
      tenantId,
      event: {
        action: 'WORKSPACE_DELETED' as const,
        actorId: userId,
        subjectId: tenantId,
        details: { name },
      },
    })),
    ...memberships.map(({ tenantId, role }) => ({
      tenantId,
      event: { action: 'MEMBER_LEFT' as const, actorId: userId, subjectId: userId, details: { role } },
    })),
  ];
  for (const { tenantId, event } of events) await recordAudit(tx, deps, tenantId, event);
}

/**
 * SQLSTATE of a foreign key that still refers to the user, because the person became an owner meanwhile; 23503 before
 * PostgreSQL 18. A retry reads the current state.
 */
const STILL_REFERENCED = ['23001', '23503'];

/** Where an account has rows of its own. */
export interface Belongings {
  /** The personal workspace; empty if it was never read, which creates it. */
  personal: { tenantId: string; name: string }[];
  /** Memberships other than as owner: workspaces by id and then teams by id, the lock order of audit chains. */
  memberships: { tenantId: string; role: Exclude<Role, 'OWNER'> }[];
}

/** What an account has. The caller has locked the tenants, so their members do not change meanwhile. */
export async function findBelongings(tx: Transaction, userId: string): Promise<Belongings> {
  const personal = await tx
    .select({ tenantId: workspaces.id, name: workspaces.name })
    .from(workspaces)
    .where(and(eq(workspaces.ownerUserId, userId), eq(workspaces.kind, 'PERSONAL')));
  const ofWorkspaces = await tx
    .select({ tenantId: memberships.workspaceId, role: memberships.role })
    .from(memberships)
    .where(eq(memberships.userId, userId))
    .orderBy(asc(memberships.workspaceId));
  const ofTeams = await tx
    .select({ tenantId: teamMemberships.teamId, role: teamMemberships.role })
    .from(teamMemberships)
    .where(eq(teamMemberships.userId, userId))
    .orderBy(asc(teamMemberships.teamId));
  return { personal, memberships: [...ofWorkspaces, ...ofTeams] };
}

/** Throws ConflictError if the person owns a shared workspace or a team. */
export async function refuseOwnerOfShared(tx: Transaction, userId: string): Promise<void> {
  const isShared = and(eq(workspaces.ownerUserId, userId), eq(workspaces.kind, 'SHARED'));
  const shared = await tx.$count(workspaces, isShared);
  const owned = shared === 0 ? [] : [counted(shared, 'shared workspace')];
  const ofTeams = await tx.$count(teams, eq(teams.ownerUserId, userId));
  if (ofTeams > 0) owned.push(counted(ofTeams, 'team'));
  if (owned.length === 0) return;
  throw new ConflictError(
    `You own ${owned.join(' and ')}. Hand over or delete what you own, then delete the account.`,
  );
}
