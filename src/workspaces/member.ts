import { and, asc, eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { type AuditDeps, recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf, memberIdOf, readMemberId } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { teamMembers, teamMemberships } from '../db/tables/team.ts';
import { memberships, workspaceMembers, workspaces } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import type { Role } from '../plans-and-roles.ts';
import { givenRole } from './permissions.ts';
import { findTenants, type Tenant } from './tenant.ts';

/** A member of a workspace or team, as all its members see it. */
export interface Member {
  /** Composed of `tenantId` and `userId`. */
  id: string;
  tenantId: string;
  userId: string;
  role: Role;
  joinedAt: Date;
}

/** The members of a workspace or team, oldest account first: an order that no change of a role affects. */
export async function listMembers(
  { db }: { db: Pick<Database, 'select'> },
  tenant: TenantKey,
  page: PageInput,
): Promise<Page<Member>> {
  const { view, tenantId } = viewOf(tenant);
  return await readPage<Member>(page, {
    column: view.userId,
    order: 'ascending',
    maxRows: 100,
    valueOf: (member) => member.userId,
    read: async (conditions, orderBy, limit) => {
      const rows = await db
        .select({ tenantId, userId: view.userId, role: view.role, joinedAt: view.joinedAt })
        .from(view)
        .where(and(eq(tenantId, tenant.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit);
      return rows.map(withId);
    },
  });
}

/** The member with this user id, undefined if there is none, which may be true of the viewer too. */
export async function findMember(
  db: Pick<Database, 'select'>,
  tenant: TenantKey,
  userId: string,
): Promise<Member | undefined> {
  const { view, tenantId } = viewOf(tenant);
  const [member] = await db
    .select({ tenantId, userId: view.userId, role: view.role, joinedAt: view.joinedAt })
    .from(view)
    .where(and(eq(tenantId, tenant.id), inArray(view.userId, idsOf('usr', [userId]))));
  return member && withId(member);
}

/** The members with these ids in the workspaces and teams that the viewer is in. */
export async function findMembers(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Member[]> {
  const named = ids.map(readMemberId).filter((names) => names !== undefined);
  const tenantIds = named.map(({ tenantId }) => tenantId);
  const tenants = named.length === 0 ? [] : await findTenants(deps, viewer, tenantIds);
  const found = await Promise.all(
    tenants.map(async (tenant) => {
      const { view, tenantId } = viewOf(tenant);
      const userIds = named.filter((names) => names.tenantId === tenant.id).map(({ userId }) => userId);
      return await deps.db
        .select({ tenantId, userId: view.userId, role: view.role, joinedAt: view.joinedAt })
        .from(view)
        .where(and(eq(tenantId, tenant.id), inArray(view.userId, userIds)));
    }),
  );
  return found.flat().map(withId);
}

/** The member with this user id. Throws NotFoundError. */
export async function requireMember(
  db: Pick<Database, 'select'>,
  tenant: TenantKey,
  userId: string,
): Promise<Member> {
  const member = await findMember(db, tenant, userId);
  if (member === undefined) throw new NotFoundError('member');
  return member;
}

/** The ids of all members. */
export async function memberIdsOf(db: Pick<Database, 'select'>, tenant: TenantKey): Promise<string[]> {
  const { view, tenantId } = viewOf(tenant);
  const rows = await db.select({ userId: view.userId }).from(view).where(eq(tenantId, tenant.id));
  return rows.map(({ userId }) => userId);
}

/** The roles of all members, by user id. */
export async function memberRoles(
  { db }: { db: Pick<Database, 'select'> },
  tenant: TenantKey,
): Promise<Map<string, Role>> {
  const { view, tenantId } = viewOf(tenant);
  const rows = await db
    .select({ userId: view.userId, role: view.role })
    .from(view)
    .where(eq(tenantId, tenant.id));
  return new Map(rows.map(({ userId, role }) => [userId, role]));
}

/** Whether a member of a team's workspace has that role because of the role in the team. */
export async function hasRoleFromTeam(
  db: Pick<Database, 'select'>,
  tenant: Tenant,
  userId: string,
): Promise<boolean> {
  if (tenant.type === 'team' || tenant.teamId === null) return false;
  const inTeam = await findMember(db, { type: 'team', id: tenant.teamId }, userId);
  return inTeam !== undefined && inTeam.role !== 'MEMBER';
}

function withId(row: Omit<Member, 'id'>): Member {
  return { id: memberIdOf(row.tenantId, row.userId), ...row };
}

/** The part of a tenant that its members are found by. */
export type TenantKey = Pick<Tenant, 'type' | 'id'>;

function viewOf({ type }: TenantKey) {
  return type === 'team'
    ? { view: teamMembers, tenantId: teamMembers.teamId }
    : { view: workspaceMembers, tenantId: workspaceMembers.workspaceId };
}

/** Adds a membership for a user who has none. Throws InvalidInputError for a role that cannot be given. */
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

/** Changes the role of a membership. Throws InvalidInputError for a role that cannot be given. */
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

/** Deletes a membership in a workspace or team, without a record of it. */
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
 * Ends a membership and records it. One in a team ends those in its workspaces too, so that a person who joins the team again
 * later has none of them. Threads stay, also private ones, which are visible again once the person is back.
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

/** Ordered by workspace id, the lock order of audit chains. */
async function deleteMembershipsInTeam(tx: Transaction, teamId: string, userId: string) {
  const ofTeam = tx.select({ id: workspaces.id }).from(workspaces).where(eq(workspaces.teamId, teamId));
  const deleted = await tx
    .delete(memberships)
    .where(and(eq(memberships.userId, userId), inArray(memberships.workspaceId, ofTeam)))
    .returning({ workspaceId: memberships.workspaceId, role: memberships.role });
  return deleted.toSorted((left, right) => (left.workspaceId < right.workspaceId ? -1 : 1));
}

/** What changing workspaces, teams and their members needs. */
export interface PeopleDeps extends AuditDeps {
  db: Database;
  changes: Changes;
}

/**
 * Announces that memberships of these users in these tenants changed: on each tenant's topic the users, on each user's topic
 * the tenants. To be called after the commit.
 */
export function announceMembers(
  { changes }: { changes: Changes },
  tenantIds: readonly string[],
  userIds: readonly string[],
): void {
  for (const tenantId of tenantIds) changes.announce(tenantId, userIds);
  for (const userId of userIds) changes.announce(userId, tenantIds);
}

/** The tenants whose members change with those of this one: itself, and the workspaces of a team. */
export async function affectedTenantIds(
  db: Pick<Database, 'select'>,
  tenant: Pick<Tenant, 'type' | 'id'>,
): Promise<string[]> {
  if (tenant.type === 'workspace') return [tenant.id];
  const owned = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(workspaces.teamId, tenant.id))
    .orderBy(asc(workspaces.id));
  return [tenant.id, ...owned.map(({ id }) => id)];
}
