import { eq, sql } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { teams } from '../db/tables/team.ts';
import { users } from '../db/tables/user.ts';
import { workspaces } from '../db/tables/workspace.ts';
import type { Plan } from '../workspaces/plan.ts';
import { payerPlan } from '../workspaces/workspace.ts';
import { reasonOf } from './offer.ts';
import { isUsable, statusOnPlan } from './status.ts';

/** Why a key may not be asked any more on behalf of an answer that it is paying for; null if it may. */
export async function whyUnusable(
  { db, defaultPlan }: { db: Database; defaultPlan: Plan },
  apiKeyId: string,
): Promise<AnswerErrorCode | null> {
  const [key] = await db
    .select({
      teamId: apiKeys.teamId,
      payerPlan,
      health: apiKeys.health,
      rateLimitedUntil: apiKeys.rateLimitedUntil,
      isEnabled: apiKeys.isEnabled,
      expiresAt: apiKeys.expiresAt,
      needsReentry: apiKeys.needsReentry,
    })
    .from(apiKeys)
    .leftJoin(workspaces, eq(workspaces.id, apiKeys.workspaceId))
    .leftJoin(users, eq(users.id, workspaces.ownerUserId))
    .leftJoin(teams, eq(teams.id, sql`coalesce(${apiKeys.teamId}, ${workspaces.teamId})`))
    .where(eq(apiKeys.id, apiKeyId));
  if (key === undefined) return 'KEY_REMOVED';
  const status = statusOnPlan(key, key, defaultPlan, new Date());
  if (isUsable(status)) return null;
  return status === 'DISABLED' ? 'KEY_REMOVED' : reasonOf(status);
}
