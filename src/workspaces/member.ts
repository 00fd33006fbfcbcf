import { and, eq, inArray } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { teamMembers } from '../db/tables/team.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import type { Role } from './membership.ts';
import type { Tenant } from './tenant.ts';

/** Somebody in a workspace or team, as everybody in it sees them. */
export interface Member {
  tenantId: string;
  userId: string;
  role: Role;
  joinedAt: Date;
}

/** The members of a workspace or team, those with the oldest accounts first: an order that no change of a role disturbs. */
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
    read: (conditions, orderBy, limit) =>
      db
        .select({ tenantId, userId: view.userId, role: view.role, joinedAt: view.joinedAt })
        .from(view)
        .where(and(eq(tenantId, tenant.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit),
  });
}

/** The member with this user id, undefined if there is none. Who asks about themselves may not be one any more. */
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
  return member;
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

/** What everybody in it is, by user id. */
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

/** Whether somebody is in a team's workspace because of what they are in the team. */
export async function hasRoleFromTeam(
  db: Pick<Database, 'select'>,
  tenant: Tenant,
  userId: string,
): Promise<boolean> {
  if (tenant.type === 'team' || tenant.teamId === null) return false;
  const inTeam = await findMember(db, { type: 'team', id: tenant.teamId }, userId);
  return inTeam !== undefined && inTeam.role !== 'MEMBER';
}

/** What it takes to find the members of something. */
export type TenantKey = Pick<Tenant, 'type' | 'id'>;

function viewOf({ type }: TenantKey) {
  return type === 'team'
    ? { view: teamMembers, tenantId: teamMembers.teamId }
    : { view: workspaceMembers, tenantId: workspaceMembers.workspaceId };
}
