import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import { saveKeyModels } from '../models/save-models.ts';
import type { ProviderName } from '../providers/provider.ts';
import { type KeyDeps, requireApiKey } from './api-key.ts';
import {
  type HealthFacts,
  healthAfterCheck,
  healthAfterFirstCheck,
  isInconclusive,
  looksTheSame,
  nextRecheckAt,
} from './health.ts';
import { keepOwner } from './keep-owner.ts';
import type { CheckedKey, Probe } from './probe.ts';

/**
 * Saves what a check of a stored key found and tells of it if anybody could see a difference. Nothing if the key was sealed
 * anew meanwhile, because the secret may be another one. Throws NotFoundError if it was removed, and that or
 * NotPermittedError if whoever wanted the check may not manage the key any more: nothing of it is for them.
 */
export async function saveProbe(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'roots' | 'defaultPlan'>,
  id: string,
  { key, probe }: CheckedKey,
  by: CheckedBy,
): Promise<void> {
  const { ownerId, provider, baseUrl } = key;
  const isNews = await deps.db.transaction(async (tx) => {
    await keepOwner(tx, ownerId);
    const [before] = await tx.select(checkedColumns).from(apiKeys).where(eq(apiKeys.id, id)).for('update');
    if (before === undefined) throw new NotFoundError('API key');
    // The check took seconds.
    if (by.type === 'person') await requireApiKey({ ...deps, db: tx }, by.viewer, id);
    if (before.version !== key.version) return false;

    const after = healthAfterCheck({ ...before, provider }, probe, by.type, new Date());
    const inconclusive = by.type === 'server' ? by.inconclusive : 1;
    await tx
      .update(apiKeys)
      .set(healthColumns(provider, after, probe, inconclusive))
      .where(eq(apiKeys.id, id));
    const isOtherList =
      probe.models !== null && (await saveKeyModels(tx, { id, ownerId, provider, baseUrl }, probe.models));
    if (by.type === 'person' || after.health !== before.health)
      await recordAudit(tx, deps, ownerId, {
        action: 'KEY_CHECKED',
        actorId: by.type === 'person' ? by.viewer.id : null,
        subjectId: id,
        details: {
          provider,
          label: before.label,
          health: probe.refusal === 'unclear' ? after.health : probe.health,
        },
      });
    return isOtherList || !looksTheSame(before, after, new Date());
  });
  if (isNews) deps.changes.announce(ownerId, [id]);
}

/** Who wanted the check. `inconclusive` is how many checks in a row brought no result, if this one did not either. */
export type CheckedBy = { type: 'person'; viewer: Viewer } | { type: 'server'; inconclusive: number };

/** The columns that the first check of a secret decides. */
export function firstHealthColumns(provider: ProviderName, probe: Probe) {
  return healthColumns(provider, healthAfterFirstCheck(probe, new Date()), probe, 1);
}

function healthColumns(
  provider: ProviderName,
  { health, healthReason, rateLimitedUntil, refusedAt }: HealthFacts,
  probe: Probe,
  inconclusive: number,
) {
  const now = new Date();
  return {
    health,
    healthReason,
    rateLimitedUntil,
    refusedAt,
    recheckAt: nextRecheckAt({ health, provider, refusedAt }, now, isInconclusive(probe) ? inconclusive : 0),
    ...(probe.models !== null && { modelsRefreshedAt: now }),
  };
}

const checkedColumns = {
  version: apiKeys.version,
  label: apiKeys.label,
  modelsRefreshedAt: apiKeys.modelsRefreshedAt,
  health: apiKeys.health,
  healthReason: apiKeys.healthReason,
  rateLimitedUntil: apiKeys.rateLimitedUntil,
  refusedAt: apiKeys.refusedAt,
};
