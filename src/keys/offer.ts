import { and, asc, eq, inArray } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { users } from '../db/tables/user.ts';
import { workspaces } from '../db/tables/workspace.ts';
import type { AnswerErrorCode } from '../errors.ts';
import { type Plan, planAllowsKeys, planOf } from '../workspaces/plan.ts';
import type { KeyScope } from './api-key.ts';
import { isUsable, type KeyStatus, keyStatus } from './status.ts';

/** Whether a model can be asked now: the key that would pay, or why there is none. `apiKeyIds` are all keys that list it. */
export type Offer = { apiKeyIds: string[] } & (
  | { isAvailable: true; apiKeyId: string; paidBy: KeyScope }
  | { isAvailable: false; code: AnswerErrorCode }
);

/**
 * Which key pays for each of these models, by model id: the oldest healthy one that offers it, else the oldest that may be
 * tried. Never the key of another owner, or one for another place than the model's.
 */
export async function findOffers(
  { db, defaultPlan }: { db: Database; defaultPlan: Plan },
  modelIds: readonly string[],
): Promise<Map<string, Offer>> {
  const rows = await db
    .select({
      modelId: apiKeyModels.modelId,
      apiKeyId: apiKeys.id,
      kind: workspaces.kind,
      payerPlan: users.plan,
      health: apiKeys.health,
      rateLimitedUntil: apiKeys.rateLimitedUntil,
      isEnabled: apiKeys.isEnabled,
      expiresAt: apiKeys.expiresAt,
      needsReentry: apiKeys.needsReentry,
    })
    .from(apiKeyModels)
    .innerJoin(models, eq(models.id, apiKeyModels.modelId))
    .innerJoin(
      apiKeys,
      and(
        eq(apiKeys.id, apiKeyModels.apiKeyId),
        eq(apiKeys.workspaceId, models.workspaceId),
        eq(apiKeys.provider, models.provider),
        eq(apiKeys.baseUrl, models.baseUrl),
      ),
    )
    .innerJoin(workspaces, eq(workspaces.id, apiKeys.workspaceId))
    .innerJoin(users, eq(users.id, workspaces.ownerUserId))
    .where(inArray(apiKeyModels.modelId, [...modelIds]))
    .orderBy(asc(apiKeys.id));

  const now = new Date();
  const offers = new Map<string, Offer>();
  for (const modelId of modelIds) {
    const keys = rows
      .filter((row) => row.modelId === modelId)
      .map((row) => ({
        ...row,
        status: keyStatus({ ...row, planAllowsKeys: planAllowsKeys(planOf(row, defaultPlan)) }, now),
      }));
    const apiKeyIds = keys.map((key) => key.apiKeyId);
    const payer = keys.find((key) => key.status === 'ACTIVE') ?? keys.find((key) => isUsable(key.status));
    offers.set(
      modelId,
      payer === undefined
        ? { apiKeyIds, isAvailable: false, code: reasonOf(keys[0]?.status) }
        : {
            apiKeyIds,
            isAvailable: true,
            apiKeyId: payer.apiKeyId,
            paidBy: payer.kind === 'PERSONAL' ? 'PERSONAL' : 'WORKSPACE',
          },
    );
  }
  return offers;
}

function reasonOf(status: KeyStatus | undefined): AnswerErrorCode {
  switch (status) {
    case 'SUSPENDED':
      return 'PLAN_REQUIRED';
    case 'EXPIRED':
      return 'KEY_EXPIRED';
    case 'INVALID':
      return 'INVALID_KEY';
    case 'NEEDS_REENTRY':
      return 'KEY_UNAVAILABLE';
    default:
      return 'NO_KEY';
  }
}
