import { ne, type SQL, type SQLChunk, sql } from 'drizzle-orm';
import { PLAN_WORDS } from '../audit/action.ts';
import type { Database } from '../db/database.ts';
import { settings } from '../db/tables/server.ts';
import { PlanRequiredError } from '../errors.ts';
import { PLANS, type Plan } from '../plans-and-roles.ts';

/** The least plan that includes provider keys, by the kind of tenant. Teams themselves need BUSINESS. */
export const PLAN_FOR_KEYS = { workspace: 'PREMIUM', team: 'BUSINESS' } as const satisfies Record<
  string,
  Plan
>;

/**
 * Saves the plan of payers that have none of their own, so that queries read the effective plan with the row. Of several
 * servers on one database, the one started last wins.
 */
export async function saveDefaultPlan(db: Pick<Database, 'update'>, defaultPlan: Plan): Promise<void> {
  await db.update(settings).set({ defaultPlan }).where(ne(settings.defaultPlan, defaultPlan));
}

/** The first of these nullable columns that is not null, else the server's default plan. */
export function effectivePlan(...plans: readonly SQLChunk[]): SQL<Plan> {
  return sql<Plan>`coalesce(${sql.join([...plans], sql`, `)}, (select default_plan from settings))`;
}

/**
 * The plan of the payer of a row of `api_keys`: that of its team, or of the person or team behind its workspace. A subquery, so
 * that a query about keys needs no joins for it; each part of it is one lookup by primary key.
 */
export const planOfKey: SQL<Plan> = effectivePlan(
  sql`(select plan from teams where id = "api_keys"."team_id")`,
  sql`(select coalesce(person.plan, team.plan) from workspaces as paid
    left join users as person on person.id = paid.owner_user_id
    left join teams as team on team.id = paid.team_id
    where paid.id = "api_keys"."workspace_id")`,
);

/** Whether provider keys of a workspace or of a team are part of the plan. */
export function planAllowsKeys(plan: Plan, of: keyof typeof PLAN_FOR_KEYS): boolean {
  return includes(plan, PLAN_FOR_KEYS[of]);
}

/** Throws PlanRequiredError unless provider keys of a workspace or of a team are part of the plan. */
export function requirePlanForKeys(plan: Plan, of: keyof typeof PLAN_FOR_KEYS): void {
  if (planAllowsKeys(plan, of)) return;
  const what = of === 'team' ? 'Provider keys of a team' : 'Own provider keys';
  const needed = `${what} need the ${PLAN_WORDS[PLAN_FOR_KEYS[of]]} plan.`;
  throw new PlanRequiredError(
    PLAN_FOR_KEYS[of],
    `${needed} The owner of the ${of} can ask the operator of this server for it.`,
    'WORKSPACE_ADMIN',
  );
}

/** Throws PlanRequiredError unless variants of models are part of the plan, as the keys of a workspace are. */
export function requirePlanForVariants(plan: Plan): void {
  requirePlanOfWorkspace(plan, 'Variants of models');
}

/** Throws PlanRequiredError unless files are part of the plan, as the keys of a workspace are. */
export function requirePlanForFiles(plan: Plan): void {
  requirePlanOfWorkspace(plan, 'Files');
}

function requirePlanOfWorkspace(plan: Plan, what: string): void {
  if (planAllowsKeys(plan, 'workspace')) return;
  throw new PlanRequiredError(
    PLAN_FOR_KEYS.workspace,
    `${what} need the ${PLAN_WORDS[PLAN_FOR_KEYS.workspace]} plan. The owner of the workspace can ask the operator of this server for it.`,
    'WORKSPACE_ADMIN',
  );
}

/** Throws PlanRequiredError unless teams are part of the plan of the person who wants to own one. */
export function requirePlanForTeams(plan: Plan): void {
  if (includes(plan, PLAN_FOR_KEYS.team)) return;
  throw new PlanRequiredError(
    PLAN_FOR_KEYS.team,
    `Teams need the ${PLAN_WORDS.BUSINESS} plan. Ask the operator of this server for it.`,
    'OPERATOR',
  );
}

function includes(plan: Plan, required: Plan): boolean {
  return PLANS.indexOf(plan) >= PLANS.indexOf(required);
}
