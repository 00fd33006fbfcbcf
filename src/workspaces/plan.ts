import { PLAN_WORDS } from '../audit/action.ts';
import { PlanRequiredError } from '../errors.ts';

/** From least to most; each includes the ones before it. */
export const PLANS = ['FREE', 'PREMIUM', 'BUSINESS'] as const;

export type Plan = (typeof PLANS)[number];

/** The least plan of a payer whose own keys can be used, by whose they are. Teams themselves are part of BUSINESS. */
export const PLAN_FOR_KEYS = { workspace: 'PREMIUM', team: 'BUSINESS' } as const satisfies Record<
  string,
  Plan
>;

/** The plan something is on: its payer's, else the server's default. */
export function planOf(paid: { payerPlan: Plan | null }, defaultPlan: Plan): Plan {
  return paid.payerPlan ?? defaultPlan;
}

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
    `${needed} The owner of the ${of} can ask whoever runs this server for it.`,
    'WORKSPACE_ADMIN',
  );
}

/** Throws PlanRequiredError unless teams are part of the plan of the person who wants to own one. */
export function requirePlanForTeams(plan: Plan): void {
  if (includes(plan, PLAN_FOR_KEYS.team)) return;
  throw new PlanRequiredError(
    PLAN_FOR_KEYS.team,
    `Teams need the ${PLAN_WORDS.BUSINESS} plan. Ask whoever runs this server for it.`,
    'OPERATOR',
  );
}

function includes(plan: Plan, required: Plan): boolean {
  return PLANS.indexOf(plan) >= PLANS.indexOf(required);
}
