import { asc, eq, inArray, sql } from 'drizzle-orm';
import { type AuditDeps, recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { teams } from '../db/tables/team.ts';
import { users } from '../db/tables/user.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { Plan } from '../plans-and-roles.ts';
import { effectivePlan } from './plan.ts';

/** Who pays: a user or a team. `email` names the user who signs in with it. */
export interface PayerInput {
  userId?: string | null | undefined;
  email?: string | null | undefined;
  teamId?: string | null | undefined;
}

/** The plan of a payer as the operator sees it. */
export interface PlanOfPayer {
  /** One of the two is set. */
  userId: string | null;
  teamId: string | null;
  plan: Plan;
  /** Whether no plan is set, so that it is the server's default. */
  isDefault: boolean;
  /** The workspaces that the plan pays for. */
  workspaceIds: string[];
}

/**
 * Sets the plan of a user or a team; null for the server's default. Keys that the plan does not include are suspended, and
 * come back with a plan that does: nothing is written to them. The caller authorises the operator. Throws NotFoundError, or
 * InvalidInputError, also for an undefined plan: a program that forgets the field must not reset the plan.
 */
export async function setPlan(
  deps: AuditDeps & { db: Database; changes: Changes },
  input: PayerInput,
  plan: Plan | null | undefined,
): Promise<PlanOfPayer & { previousPlan: Plan }> {
  if (plan === undefined)
    throw new InvalidInputError('plan', 'Give `plan`, or an explicit null for the default of the server.');
  const set = await deps.db.transaction(async (tx) => {
    const payer = await findPayer(tx, input, 'to be changed');
    const { table, type, id, plan: previousPlan } = payer;
    const [set] = await tx.update(table).set({ plan }).where(eq(table.id, id)).returning(planColumns(table));
    if (set === undefined) throw new NotFoundError(type);
    const changed = await describe(tx, { ...payer, ...set });
    if (changed.plan !== previousPlan) await recordChange(tx, deps, { ...changed, previousPlan });
    return { ...changed, previousPlan };
  });
  for (const id of tenantIdsOf(set)) deps.changes.announce(id, [id]);
  return set;
}

/** The plan of a user or a team. Throws InvalidInputError or NotFoundError. */
export async function findPlan(
  { db }: { db: Pick<Database, 'select'> },
  input: PayerInput,
): Promise<PlanOfPayer> {
  return await describe(db, await findPayer(db, input, 'to be read'));
}

interface Payer {
  type: 'user' | 'team';
  id: string;
  table: typeof users | typeof teams;
  plan: Plan;
  /** Whether none is set, so that it is the server's default. */
  isDefault: boolean;
}

/** Finds the row; one that is to be changed is locked until the transaction ends. */
async function findPayer(
  db: Pick<Database, 'select'>,
  input: PayerInput,
  purpose: 'to be read' | 'to be changed',
): Promise<Payer> {
  const { table, condition, type } = lookUp(input);
  const query = db
    .select({ id: table.id, ...planColumns(table) })
    .from(table)
    .where(condition);
  // Not `for update`: inserting a message that refers to the row need not wait.
  const [row] = await (purpose === 'to be changed' ? query.for('no key update') : query);
  if (row === undefined) throw new NotFoundError(type);
  return { type, table, ...row };
}

function lookUp({ userId, email, teamId }: PayerInput) {
  if ([userId, email, teamId].filter((given) => given != null).length !== 1)
    throw new InvalidInputError('userId', 'Give one of `userId`, `email` and `teamId`.');
  if (teamId != null)
    return { type: 'team' as const, table: teams, condition: inArray(teams.id, idsOf('tem', [teamId])) };
  const condition =
    userId != null
      ? inArray(users.id, idsOf('usr', [userId]))
      : eq(users.email, (email ?? '').replaceAll('\0', '').trim().toLowerCase());
  return { type: 'user' as const, table: users, condition };
}

function planColumns({ plan }: Payer['table']) {
  return { plan: effectivePlan(plan), isDefault: sql<boolean>`${plan} is null` };
}

async function describe(db: Pick<Database, 'select'>, payer: Payer): Promise<PlanOfPayer> {
  const column = payer.type === 'team' ? workspaces.teamId : workspaces.ownerUserId;
  const paid = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(column, payer.id))
    .orderBy(asc(workspaces.id));
  return {
    userId: payer.type === 'user' ? payer.id : null,
    teamId: payer.type === 'team' ? payer.id : null,
    plan: payer.plan,
    isDefault: payer.isDefault,
    workspaceIds: paid.map(({ id }) => id),
  };
}

/** Records the change on the log of every tenant that the plan pays for. The operator is no user, so there is no actor. */
async function recordChange(
  tx: Transaction,
  deps: AuditDeps,
  change: PlanOfPayer & { previousPlan: Plan },
): Promise<void> {
  const { plan, previousPlan } = change;
  for (const tenantId of tenantIdsOf(change))
    await recordAudit(tx, deps, tenantId, {
      action: 'PLAN_CHANGED',
      actorId: null,
      subjectId: change.teamId ?? change.userId,
      details: { previousPlan, plan },
    });
}

/** Workspaces by id and then the team, the lock order of audit chains. */
function tenantIdsOf({ workspaceIds, teamId }: PlanOfPayer): string[] {
  return teamId === null ? workspaceIds : [...workspaceIds, teamId];
}
