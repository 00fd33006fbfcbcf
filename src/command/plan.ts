import { PLAN_WORDS } from '../audit/action.ts';
import { Changes } from '../changes.ts';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { prefixOf } from '../db/id.ts';
import { NotFoundError } from '../errors.ts';
import { findRotationObstacles } from '../fleet/running-servers.ts';
import { PLANS, type Plan } from '../plans-and-roles.ts';
import { findPlan, type PayerInput, type PlanOfPayer, setPlan } from '../workspaces/set-plan.ts';
import { UsageError } from './help.ts';
import { printError, printLine } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `plan set` or `plan show` and returns its exit code. */
export async function runPlanCommand(
  readSettings: () => Config,
  [action, name, planName]: readonly string[],
): Promise<0 | 1> {
  const isSet = action === 'set';
  if (!isSet && action !== 'show') throw new UsageError('plan needs one of: set, show.');
  if (name === undefined) throw new UsageError(`plan ${action} needs an email or the id of a user or team.`);
  if (!isSet && planName !== undefined) throw new UsageError(`"${planName}" is one word too many.`);
  const plan = isSet ? readPlan(planName) : null;
  const config = readSettings();
  return await withSealedData(config, async ({ db, rootKeys }) => {
    // A server on the same PostgreSQL database gets no announcement; it finds the change at its next read.
    const obstacles = isSet ? await findRotationObstacles(db, rootKeys[0].id) : [];
    for (const sentence of obstacles) printError(sentence);
    if (obstacles.length > 0) return 1;
    const deps = { db, rootKeys, changes: new Changes() };
    try {
      const found = isSet ? await setPlan(deps, payerOf(name), plan) : await findPlan(deps, payerOf(name));
      printLine(describe(name, found));
      return 0;
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      printError(`There is no account or team ${name}.`);
      return 1;
    }
  });
}

function readPlan(name: string | undefined): Plan | null {
  if (name === 'DEFAULT') return null;
  const plan = PLANS.find((known) => known === name);
  if (plan !== undefined) return plan;
  throw new UsageError(`plan set needs one of: ${PLANS.join(', ')}, DEFAULT.`);
}

function payerOf(name: string): PayerInput {
  switch (prefixOf(name)) {
    case 'usr':
      return { userId: name };
    case 'tem':
      return { teamId: name };
    default:
      return { email: name };
  }
}

function describe(name: string, found: PlanOfPayer & { previousPlan?: Plan }): string {
  const { userId, teamId, plan, isDefault, previousPlan, workspaceIds } = found;
  const id = userId ?? teamId;
  const who = id === name ? name : `${name} (${id})`;
  const origin = isDefault ? ', which is the default of this server' : '';
  const before = previousPlan === undefined ? '' : ` Before: ${PLAN_WORDS[previousPlan]}.`;
  return `${who}: ${PLAN_WORDS[plan]}${origin}.${before} It pays for ${counted(workspaceIds.length, 'workspace')}.`;
}
