import { and, eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { AnswerError, type AnswerErrorCode } from '../errors.ts';
import { failureName, log } from '../log.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { type ApiKey, type KeyDeps, type OpenedKey, requireApiKey, withSecret } from './api-key.ts';
import { type Probe, probeKey, saveProbe } from './probe.ts';
import { SealError } from './seal-record.ts';

/** Asks the provider again whether it accepts a stored key, and saves what it says. */
export async function checkApiKey(deps: KeyDeps, viewer: Viewer, id: string): Promise<ApiKey> {
  await probeStoredKey(deps, viewer, id);
  return await requireApiKey(deps, viewer, id);
}

/** Fetches the list of models of a key anew. Throws AnswerError if the provider does not give it. */
export async function refreshModels(deps: KeyDeps, viewer: Viewer, id: string): Promise<Model[]> {
  const { provider, probe } = await probeStoredKey(deps, viewer, id);
  if (probe.models === null) throw new AnswerError(probe.healthReason ?? 'PROVIDER_ERROR', provider.title);
  return await modelsOfKey(deps, id);
}

/**
 * Learns from an answer how the key that paid for it stands: `code` is what the answer failed with, null if it did not.
 * Codes that say nothing about the key change nothing, and neither does an answer paid with a secret since replaced.
 */
export async function learnFromAnswer(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  id: string,
  { ownerId, version }: OpenedKey,
  code: AnswerErrorCode | null,
  retryAt: Date | null,
): Promise<void> {
  const facts = factsFrom(code, retryAt);
  if (facts === undefined) return;
  await deps.db
    .update(apiKeys)
    .set({ ...facts, lastUsedAt: new Date() })
    .where(and(eq(apiKeys.id, id), eq(apiKeys.version, version)));
  deps.changes.announce(ownerId, [id]);
}

async function probeStoredKey(deps: KeyDeps, viewer: Viewer, id: string) {
  const apiKey = await requireApiKey(deps, viewer, id);
  const provider = deps.providers[apiKey.provider];
  deps.checkLimits.take(viewer);
  let found: { key: OpenedKey; probe: Probe };
  try {
    found = await withSecret(deps, id, async (secret, key) => ({
      key,
      probe: await probeKey(deps, key, secret),
    }));
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    log.error(
      { apiKeyId: apiKey.id, failure: failureName(error), type: error.type },
      'stored key did not open',
    );
    throw new AnswerError('KEY_UNAVAILABLE', provider.title);
  }
  await saveProbe(deps, id, found.key, found.probe);
  return { provider, probe: found.probe };
}

function factsFrom(code: AnswerErrorCode | null, retryAt: Date | null) {
  switch (code) {
    case null:
      return { health: 'ACTIVE' as const, healthReason: null, rateLimitedUntil: null };
    case 'INVALID_KEY':
      return { health: 'INVALID' as const, healthReason: code };
    case 'KEY_EXPIRED':
      return { health: 'EXPIRED' as const, healthReason: code };
    case 'QUOTA_EXCEEDED':
      return { health: 'EXHAUSTED' as const, healthReason: code };
    case 'RATE_LIMITED':
      return { rateLimitedUntil: retryAt };
    default:
      return undefined;
  }
}
