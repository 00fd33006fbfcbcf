import { and, asc, eq, exists, or, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { prefixOf } from './id.ts';
import { isOneOf } from './is-one-of.ts';
import { statement } from './statement.ts';
import { apiKeys } from './tables/api-key.ts';
import { attachments } from './tables/attachment.ts';
import { models } from './tables/model.ts';
import { teamMemberships, teams } from './tables/team.ts';
import { threads } from './tables/thread.ts';
import { users } from './tables/user.ts';
import { memberships, workspaces } from './tables/workspace.ts';

/*
 * The order in which every transaction takes row locks, so that one waits for the other and they never deadlock:
 *
 *   1. teams        2. workspaces   3. threads      4. models       5. api_keys
 *   6. attachments  7. messages     8. users        9. audit_chains, those of workspaces before those of teams
 *
 * and rows of one table in the order of their ids. A lock lasts until its transaction ends. `for update` conflicts with every
 * other lock, also with inserting a row that refers to the locked one; `for no key update` allows such inserts; `for key share`
 * only prevents the row from being deleted. Messages are locked by the UPDATE that saves them, with their thread before them
 * (`answers/end-answer`) or the key that goes on with them (`answers/failover`), audit chains by `audit/record-audit`. Deleting a
 * message locks its attachments after it, by a trigger, for all messages of a statement together; only with the lock of its thread is
 * a message deleted.
 *
 * Some statements cannot keep the order: the checkpoint of answers locks many messages and skips locked rows, and deleting a key
 * or a variant nulls `api_key_id` or `model_id` on answers in another order. Transactions that can meet those run under
 * `retryConflicts`. A check saves the models of a key after it has locked the key, which no lock `for key share` waits for.
 */

type Locking = Pick<Database, 'select'>;

/** Locks a workspace or team. A workspace of a team is locked after its team, since its members depend on the team's. */
export async function lockTenantForUpdate(tx: Locking, tenantId: string): Promise<void> {
  if (prefixOf(tenantId) === 'tem') return await lockTeamForUpdate(tx, tenantId);
  const isTenant = eq(workspaces.id, tenantId);
  // A workspace never moves to another team, so this can be read before the lock.
  const [workspace] = await tx.select({ teamId: workspaces.teamId }).from(workspaces).where(isTenant);
  if (workspace?.teamId != null) await lockTeamForUpdate(tx, workspace.teamId);
  await tx.select({ id: workspaces.id }).from(workspaces).where(isTenant).for('update');
}

/** Prevents a workspace or team from being deleted, and blocks nothing else. False if there is none. Taken before its keys. */
export async function lockTenantForKeyShare(tx: Locking, tenantId: string): Promise<boolean> {
  const table = prefixOf(tenantId) === 'tem' ? teams : workspaces;
  const rows = await tx.select({ id: table.id }).from(table).where(eq(table.id, tenantId)).for('key share');
  return rows.length > 0;
}

/** Locks a workspace so that what it holds is counted by one transaction at a time; inserting threads need not wait. */
export async function lockWorkspaceForNoKeyUpdate(tx: Locking, workspaceId: string): Promise<void> {
  await tx
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(workspaces.id, workspaceId))
    .for('no key update');
}

/** Locks every team and workspace that a user owns or is a member of, so that no membership of the user changes meanwhile. */
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

/** Locks a key, so that its secret cannot be replaced while the row is read and written. */
export async function lockKeyForUpdate(tx: Locking, apiKeyId: string): Promise<void> {
  await tx.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.id, apiKeyId)).for('update');
}

/**
 * Locks the thread `threadId` so that its messages are numbered by one transaction at a time, then prevents the models `modelIds`
 * from being removed, and the keys `apiKeyIds` from being removed or locked for update. The next statement of the transaction sees everything that was committed before.
 */
export const lockThreadAndKeys = statement<{
  threadId: string;
  modelIds: string;
  apiKeyIds: string;
}>((builder) => {
  const isThread = eq(threads.id, sql.placeholder('threadId'));
  const thread = builder
    .$with('thread')
    .as(builder.select({ id: threads.id }).from(threads).where(isThread).for('no key update'));
  const asked = builder.$with('asked').as(
    builder
      .select({ id: models.id })
      .from(models)
      .where(and(isOneOf(models.id, sql.placeholder('modelIds')), sql`exists (select from ${thread})`))
      .orderBy(asc(models.id))
      .for('key share'),
  );
  return (
    builder
      .with(thread, asked)
      .select({ id: apiKeys.id })
      .from(apiKeys)
      // Counting reads, and so locks, all of them.
      .where(and(isOneOf(apiKeys.id, sql.placeholder('apiKeyIds')), sql`(select count(*) from ${asked}) > 0`))
      .orderBy(asc(apiKeys.id))
      .for('key share')
  );
});

/** Prevents these attachments from being deleted, so that a message can refer to them. */
export const lockAttachments = statement<{ attachmentIds: string }>((builder) =>
  builder
    .select({ id: attachments.id })
    .from(attachments)
    .where(isOneOf(attachments.id, sql.placeholder('attachmentIds')))
    .orderBy(asc(attachments.id))
    .for('no key update'),
);

/**
 * Counts a person's running answers for one transaction at a time, on all servers: an advisory lock, taken after the thread's row.
 * It must be a statement of its own before the one that counts, which else would count what was there before it got the lock.
 */
export const lockAnswersOfPerson = statement<{ personId: string }>((builder) =>
  builder
    .select({
      locked: sql`pg_advisory_xact_lock(${sql.raw(`${ANSWERS_LOCK}`)}, hashtext(${sql.placeholder('personId')}))`,
    })
    .from(sql`(select 1) as once`),
);

const ANSWERS_LOCK = 7_345_003; // beside those of migrate.ts and server-lock.ts

/** Locks an account: inserting a session waits until this transaction ends, and then finds the account changed or gone. */
export async function lockUserForUpdate(tx: Locking, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update');
}

/** Locks an account so that what it owns is counted by one transaction at a time; inserting sessions and messages need not wait. */
export async function lockUserForNoKeyUpdate(tx: Locking, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
}

async function lockTeamForUpdate(tx: Locking, teamId: string): Promise<void> {
  await tx.select({ id: teams.id }).from(teams).where(eq(teams.id, teamId)).for('update');
}
