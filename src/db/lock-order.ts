import { and, asc, eq, exists, inArray, or } from 'drizzle-orm';
import type { Database } from './database.ts';
import { prefixOf } from './id.ts';
import { apiKeys } from './tables/api-key.ts';
import { teamMemberships, teams } from './tables/team.ts';
import { users } from './tables/user.ts';
import { memberships, workspaces } from './tables/workspace.ts';

/*
 * The order in which every transaction takes row locks, so that two of them wait for each other and never deadlock:
 *
 *   1. teams        2. workspaces   3. threads      4. api_keys
 *   5. messages     6. users        7. audit_chains, those of workspaces before those of teams
 *
 * and rows of one table in the order of their ids. A lock lasts until its transaction ends. `for update` keeps out everybody,
 * also a row that only refers to the locked one; `for no key update` lets such rows be saved; `for key share` only keeps the
 * row from being deleted. Threads and messages are locked by the UPDATE that counts or saves them (`threads/positions`,
 * `answers/end-answer`), audit chains by `audit/record-audit`.
 *
 * Two statements cannot keep the order: the checkpoint of answers renews many messages and skips locked rows, and deleting a
 * key nulls `api_key_id` on running answers in an order of its own. What meets those runs under `retryConflicts`.
 */

type Locking = Pick<Database, 'select'>;

/** Locks a workspace or team. A workspace of a team comes after its team, on whose members its own depend. */
export async function lockTenantForUpdate(tx: Locking, tenantId: string): Promise<void> {
  if (prefixOf(tenantId) === 'tem') return await lockTeamForUpdate(tx, tenantId);
  const isTenant = eq(workspaces.id, tenantId);
  // It never moves to another team, so this can be read before the lock.
  const [workspace] = await tx.select({ teamId: workspaces.teamId }).from(workspaces).where(isTenant);
  if (workspace?.teamId != null) await lockTeamForUpdate(tx, workspace.teamId);
  await tx.select({ id: workspaces.id }).from(workspaces).where(isTenant).for('update');
}

/** Keeps a workspace or team from being deleted, and blocks nothing else. False if there is none. Taken before its keys. */
export async function lockTenantForKeyShare(tx: Locking, tenantId: string): Promise<boolean> {
  const table = prefixOf(tenantId) === 'tem' ? teams : workspaces;
  const rows = await tx.select({ id: table.id }).from(table).where(eq(table.id, tenantId)).for('key share');
  return rows.length > 0;
}

/** Locks every team and workspace that a person is a member of, or owns: no membership of theirs changes meanwhile. */
export async function lockTenantsOfUserForUpdate(tx: Locking, userId: string): Promise<void> {
  const inTeam = tx
    .select()
    .from(teamMemberships)
    .where(and(eq(teamMemberships.teamId, teams.id), eq(teamMemberships.userId, userId)));
  const inWorkspace = tx
    .select()
    .from(memberships)
    .where(and(eq(memberships.workspaceId, workspaces.id), eq(memberships.userId, userId)));
  await tx.select({ id: teams.id }).from(teams).where(exists(inTeam)).orderBy(asc(teams.id)).for('update');
  await tx
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(or(eq(workspaces.ownerUserId, userId), exists(inWorkspace)))
    .orderBy(asc(workspaces.id))
    .for('update');
}

/** Locks a key, so that what is found out about it is written onto the secret it was found out about. */
export async function lockKeyForUpdate(tx: Locking, apiKeyId: string): Promise<void> {
  await tx.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.id, apiKeyId)).for('update');
}

/** Keeps these keys from being changed or removed; a later read sees what was changed before. */
export async function lockKeysForKeyShare(tx: Locking, apiKeyIds: readonly string[]): Promise<void> {
  await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(inArray(apiKeys.id, [...apiKeyIds]))
    .orderBy(asc(apiKeys.id))
    .for('key share');
}

/** Locks an account: a session that begins waits, and then finds what became of the account. */
export async function lockUserForUpdate(tx: Locking, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update');
}

/** Locks an account against a second count of what it owns; sessions and messages of the person need not wait. */
export async function lockUserForNoKeyUpdate(tx: Locking, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
}

async function lockTeamForUpdate(tx: Locking, teamId: string): Promise<void> {
  await tx.select({ id: teams.id }).from(teams).where(eq(teams.id, teamId)).for('update');
}
