import { asc, eq } from 'drizzle-orm';
import type { AuditDeps } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { workspaces } from '../db/tables/workspace.ts';
import type { Tenant } from './tenant.ts';

/** What changing workspaces, teams and their members needs. */
export interface PeopleDeps extends AuditDeps {
  db: Database;
  changes: Changes;
}

/**
 * Tells, once it is committed, that what these people are in these workspaces and teams has changed: each workspace and team
 * who, and each person where.
 */
export function announceMembers(
  { changes }: { changes: Changes },
  tenantIds: readonly string[],
  userIds: readonly string[],
): void {
  for (const tenantId of tenantIds) changes.announce(tenantId, userIds);
  for (const userId of userIds) changes.announce(userId, tenantIds);
}

/** Everything whose members change with those of this owner: itself, and the workspaces of a team. */
export async function affectedTenantIds(
  db: Pick<Database, 'select'>,
  tenant: Pick<Tenant, 'type' | 'id'>,
): Promise<[string, ...string[]]> {
  if (tenant.type === 'workspace') return [tenant.id];
  const owned = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(workspaces.teamId, tenant.id))
    .orderBy(asc(workspaces.id));
  return [tenant.id, ...owned.map(({ id }) => id)];
}
