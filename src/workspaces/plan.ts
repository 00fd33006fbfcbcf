import { PlanRequiredError } from '../errors.ts';

/** From least to most; each includes the ones before it. */
export const PLANS = ['FREE', 'PREMIUM', 'BUSINESS'] as const;

export type Plan = (typeof PLANS)[number];

/** The plan a workspace is on: its payer's, else the server's default. */
export function planOf(workspace: { payerPlan: Plan | null }, defaultPlan: Plan): Plan {
  return workspace.payerPlan ?? defaultPlan;
}

/** Whether own provider keys are part of the plan. */
export function planAllowsKeys(plan: Plan): boolean {
  return PLANS.indexOf(plan) >= PLANS.indexOf(PLAN_FOR_KEYS);
}

/** Throws PlanRequiredError unless own provider keys are part of the plan. */
export function requirePlanForKeys(plan: Plan): void {
  if (!planAllowsKeys(plan)) throw new PlanRequiredError(PLAN_FOR_KEYS);
}

const PLAN_FOR_KEYS = 'PREMIUM';
