import { and, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { lockTenantForKeyShare } from '../db/lock-order.ts';
import { prepared } from '../db/prepared.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';
import { type KeyDeps, requireApiKey } from './api-key.ts';
import {
  type CheckedKey,
  type CheckResult,
  FACTS_AFTER_SUCCESS,
  type HealthFacts,
  healthAfterAnswer,
  healthAfterCheck,
  healthAfterFirstCheck,
  isInconclusive,
  isSameHealth,
  type KeyOutcome,
  nextRecheckAt,
} from './health.ts';
import type { OpenedKey } from './open-secret.ts';
import { saveList } from './save-list.ts';

/**
 * Saves the result of a check of a stored key, and announces a visible change. Does nothing if the key was sealed again
 * meanwhile, because the secret may be another one. Throws NotFoundError if the key was removed, and NotFoundError or
 * NotPermittedError if the person who asked for the check may not manage it any more and must not see the result.
 */
export async function saveCheckResult(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'rootKeys'>,
  id: string,
  { key, result }: CheckedKey,
  by: CheckedBy,
): Promise<void> {
  const { tenantId, provider, baseUrl } = key;
  const hasVisibleChange = await deps.db.transaction(async (tx) => {
    if (!(await lockTenantForKeyShare(tx, tenantId))) throw new NotFoundError('API key');
    const [before] = await tx.select(checkedColumns).from(apiKeys).where(eq(apiKeys.id, id)).for('update');
    if (before === undefined) throw new NotFoundError('API key');
    // The check took seconds: the viewer may have lost the role meanwhile.
    if (by.type === 'person') await requireApiKey({ ...deps, db: tx }, by.viewer, id);
    if (before.version !== key.version) return false;

    const after = healthAfterCheck({ ...before, provider }, result, by.type, new Date());
    const inconclusive = by.type === 'server' ? by.inconclusive : 1;
    await tx
      .update(apiKeys)
      .set(healthColumns(provider, after, result, inconclusive))
      .where(eq(apiKeys.id, id));
    const actorId = by.type === 'person' ? by.viewer.id : null;
    const listing = { ...before, id, tenantId, provider, baseUrl };
    const modelsChanged =
      result.models !== null && (await saveList(tx, deps, listing, result.models, actorId));
    if (by.type === 'person' || after.health !== before.health)
      await recordAudit(tx, deps, tenantId, {
        action: 'KEY_CHECKED',
        actorId,
        subjectId: id,
        details: {
          provider,
          label: before.label,
          health: result.refusal === 'unclear' ? after.health : result.health,
        },
      });
    return modelsChanged || !isSameHealth(before, after, new Date());
  });
  if (hasVisibleChange) deps.changes.announce(tenantId, [id]);
}

/**
 * Updates the health of the key that paid for an answer. Codes that say nothing about the key change nothing, and neither does
 * an answer paid with a secret that has been replaced. Only a visible change is announced: most answers change nothing.
 */
export async function recordKeyOutcome(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  id: string,
  { tenantId, provider, version }: OpenedKey,
  outcome: KeyOutcome,
): Promise<void> {
  const hasVisibleChange =
    outcome.code === null
      ? await recordSuccess(deps, id, { provider, version })
      : await recordFailure(deps, id, { provider, version }, outcome);
  if (hasVisibleChange) deps.changes.announce(tenantId, [id]);
}

/** One statement, since most answers succeed, and the facts after a success do not depend on those before. */
async function recordSuccess(
  { db }: Pick<KeyDeps, 'db'>,
  id: string,
  { provider, version }: Pick<OpenedKey, 'provider' | 'version'>,
): Promise<boolean> {
  const now = new Date();
  const after = FACTS_AFTER_SUCCESS;
  const recheckAt = nextRecheckAt({ ...after, provider }, now, 0);
  const [before] = await saveSuccess(db).execute({ id, version, now, recheckAt });
  return before !== undefined && !isSameHealth(before, after, now);
}

/** Returns the facts before. */
const saveSuccess = prepared((db) => {
  const isSameSecret = and(
    eq(apiKeys.id, sql.placeholder('id')),
    eq(apiKeys.version, sql.placeholder('version')),
  );
  const before = db
    .$with('before')
    .as(db.select(healthFacts).from(apiKeys).where(isSameSecret).for('no key update'));
  return db
    .with(before)
    .update(apiKeys)
    .set({
      ...FACTS_AFTER_SUCCESS,
      lastUsedAt: sql.placeholder('now'),
      recheckAt: sql.placeholder('recheckAt'),
    })
    .from(before)
    .where(isSameSecret)
    .returning({ ...before._.selectedFields })
    .prepare('save_success');
});

async function recordFailure(
  { db }: Pick<KeyDeps, 'db'>,
  id: string,
  { provider, version }: Pick<OpenedKey, 'provider' | 'version'>,
  outcome: KeyOutcome,
): Promise<boolean> {
  const now = new Date();
  if (healthAfterAnswer(FACTS_AFTER_SUCCESS, outcome, now) === undefined) return false;
  return await db.transaction(async (tx) => {
    const isSameSecret = and(eq(apiKeys.id, id), eq(apiKeys.version, version));
    const [before] = await tx.select(healthFacts).from(apiKeys).where(isSameSecret).for('no key update');
    if (before === undefined) return false;
    const after = healthAfterAnswer(before, outcome, now);
    if (after === undefined) return false;
    const recheckAt = nextRecheckAt({ ...after, provider }, now, after.health === 'UNVERIFIED' ? 1 : 0);
    await tx
      .update(apiKeys)
      .set({ ...after, lastUsedAt: now, recheckAt })
      .where(isSameSecret);
    return !isSameHealth(before, after, now);
  });
}

/** The initiator of a check. `inconclusive` is the number of consecutive checks without a result, this one included. */
export type CheckedBy = { type: 'person'; viewer: Viewer } | { type: 'server'; inconclusive: number };

/** The columns that the first check of a secret decides. */
export function firstHealthColumns(provider: ProviderName, result: CheckResult) {
  return healthColumns(provider, healthAfterFirstCheck(result, new Date()), result, 1);
}

function healthColumns(
  provider: ProviderName,
  { health, healthReason, rateLimitedUntil, refusedAt }: HealthFacts,
  result: CheckResult,
  inconclusive: number,
) {
  const now = new Date();
  const inconclusiveChecks = isInconclusive(result) ? inconclusive : 0;
  return {
    health,
    healthReason,
    rateLimitedUntil,
    refusedAt,
    recheckAt: nextRecheckAt({ health, provider, refusedAt }, now, inconclusiveChecks),
    inconclusiveChecks,
    ...(result.models !== null && { modelsRefreshedAt: now }),
  };
}

const healthFacts = {
  health: apiKeys.health,
  healthReason: apiKeys.healthReason,
  rateLimitedUntil: apiKeys.rateLimitedUntil,
  refusedAt: apiKeys.refusedAt,
};

const checkedColumns = {
  version: apiKeys.version,
  label: apiKeys.label,
  modelsRefreshedAt: apiKeys.modelsRefreshedAt,
  ...healthFacts,
};
