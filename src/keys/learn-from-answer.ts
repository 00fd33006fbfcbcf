import { and, eq } from 'drizzle-orm';
import { apiKeys } from '../db/tables/api-key.ts';
import type { KeyDeps } from './api-key.ts';
import { healthAfterAnswer, type KeyOutcome, looksTheSame, nextRecheckAt } from './health.ts';
import type { OpenedKey } from './with-secret.ts';

/**
 * Learns from an answer how the key that paid for it stands.
 * Codes that say nothing about the key change nothing, and neither does an answer paid with a secret since replaced. It is
 * told only if anybody could see a difference: most answers find the key as the one before did.
 */
export async function learnFromAnswer(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  id: string,
  { ownerId, provider, version }: OpenedKey,
  outcome: KeyOutcome,
): Promise<void> {
  const now = new Date();
  const isNews = await deps.db.transaction(async (tx) => {
    const isThatSecret = and(eq(apiKeys.id, id), eq(apiKeys.version, version));
    const [before] = await tx
      .select({
        health: apiKeys.health,
        healthReason: apiKeys.healthReason,
        rateLimitedUntil: apiKeys.rateLimitedUntil,
        refusedAt: apiKeys.refusedAt,
      })
      .from(apiKeys)
      .where(isThatSecret)
      .for('no key update');
    if (before === undefined) return false;
    const after = healthAfterAnswer(before, outcome, now);
    if (after === undefined) return false;
    const recheckAt = nextRecheckAt({ ...after, provider }, now, after.health === 'UNVERIFIED' ? 1 : 0);
    await tx
      .update(apiKeys)
      .set({ ...after, lastUsedAt: now, recheckAt })
      .where(isThatSecret);
    return !looksTheSame(before, after, now);
  });
  if (isNews) deps.changes.announce(ownerId, [id]);
}
