import { and, eq } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import type { KeyDeps } from './api-key.ts';
import { healthAfterAnswer, looksTheSame, nextRecheckAt } from './health.ts';
import type { OpenedKey } from './with-secret.ts';

/**
 * Learns from an answer how the key that paid for it stands: `code` is what the answer failed with, null if it did not.
 * Codes that say nothing about the key change nothing, and neither does an answer paid with a secret since replaced. It is
 * told only if anybody could see a difference: most answers find the key as the one before did.
 */
export async function learnFromAnswer(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  id: string,
  { ownerId, provider, version }: OpenedKey,
  code: AnswerErrorCode | null,
  retryAt: Date | null,
): Promise<void> {
  const now = new Date();
  const learned = healthAfterAnswer(code, retryAt, now);
  if (learned === undefined) return;
  const isNews = await deps.db.transaction(async (tx) => {
    const isThatSecret = and(eq(apiKeys.id, id), eq(apiKeys.version, version));
    const [before] = await tx
      .select({
        health: apiKeys.health,
        healthReason: apiKeys.healthReason,
        rateLimitedUntil: apiKeys.rateLimitedUntil,
      })
      .from(apiKeys)
      .where(isThatSecret)
      .for('no key update');
    if (before === undefined) return false;
    const after = { ...before, ...learned };
    const recheckAt = nextRecheckAt({ ...after, provider }, now, after.health === 'UNVERIFIED' ? 1 : 0);
    await tx
      .update(apiKeys)
      .set({ ...learned, lastUsedAt: now, recheckAt })
      .where(isThatSecret);
    return !looksTheSame(before, after, now);
  });
  if (isNews) deps.changes.announce(ownerId, [id]);
}
