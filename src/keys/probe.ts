import { eq } from 'drizzle-orm';
import { apiKeys } from '../db/tables/api-key.ts';
import { type AnswerErrorCode, NotFoundError, ProviderRefusedError } from '../errors.ts';
import { saveKeyModels } from '../models/catalogue.ts';
import { ProviderError } from '../providers/failure.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import { adviceFor } from './advice.ts';
import type { KeyDeps, OpenedKey } from './api-key.ts';
import type { KeyHealth } from './status.ts';

/** What a check of a key found out. */
export interface Probe {
  health: KeyHealth;
  /** Why the health is not ACTIVE, or why a working key's models could not be listed; null if all went well. */
  healthReason: AnswerErrorCode | null;
  rateLimitedUntil: Date | null;
  /** What the provider lists; null if it could not be asked. */
  models: ListedModel[] | null;
}

/**
 * Asks the provider whether it accepts the secret and what it lists, both within one deadline. A definite refusal is
 * reported as health INVALID or EXPIRED; a provider that cannot be reached as UNVERIFIED with the reason.
 */
export async function probeKey(
  { providers }: Pick<KeyDeps, 'providers'>,
  key: { provider: ProviderName; baseUrl: string; ownerId: string },
  secret: string,
): Promise<Probe> {
  const provider = providers[key.provider];
  const call = {
    baseUrl: key.baseUrl,
    secret,
    ownerId: key.ownerId,
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
  };
  let models: ListedModel[] | null;
  try {
    models = await provider.checkKey(call);
  } catch (error) {
    return refusal(failureOf(error, call.signal));
  }
  try {
    models ??= await provider.listModels(call);
    return { health: 'ACTIVE', healthReason: null, rateLimitedUntil: null, models };
  } catch (error) {
    const { code, retryAt } = failureOf(error, call.signal);
    return { health: 'ACTIVE', healthReason: code, rateLimitedUntil: retryAt, models: null };
  }
}

/** Throws ProviderRefusedError if the provider definitely refused the key. */
export function requireAccepted(
  probe: Probe,
  provider: { name: ProviderName; title: string },
  secret: string,
): void {
  if (probe.health !== 'INVALID' && probe.health !== 'EXPIRED') return;
  const code = probe.healthReason ?? 'INVALID_KEY';
  const hint = hintForeignKey(provider.name, secret) ?? adviceFor(provider.name, code);
  throw new ProviderRefusedError(code, provider.name, provider.title, hint);
}

/** The columns that a probe decides. */
export function probeColumns(probe: Probe) {
  return {
    health: probe.health,
    healthReason: probe.healthReason,
    rateLimitedUntil: probe.rateLimitedUntil,
    ...(probe.models !== null && { modelsRefreshedAt: new Date() }),
  };
}

/**
 * Saves what a probe of a stored key found; nothing if the key was sealed anew meanwhile, because the secret may be another
 * one. Throws NotFoundError if it was removed.
 */
export async function saveProbe(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  id: string,
  { provider, baseUrl, ownerId, version }: OpenedKey,
  probe: Probe,
): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const [stored] = await tx
      .select({ version: apiKeys.version })
      .from(apiKeys)
      .where(eq(apiKeys.id, id))
      .for('update');
    if (stored === undefined) throw new NotFoundError('API key');
    if (stored.version !== version) return;
    await tx.update(apiKeys).set(probeColumns(probe)).where(eq(apiKeys.id, id));
    if (probe.models === null) return;
    await saveKeyModels(tx, { id, workspaceId: ownerId, provider, baseUrl }, probe.models);
  });
  deps.changes.announce(ownerId, [id]);
}

function refusal({ code, retryAt }: Failure): Probe {
  const common = { healthReason: code, models: null };
  switch (code) {
    case 'INVALID_KEY':
    case 'KEY_LACKS_PERMISSION':
      return { ...common, health: 'INVALID', rateLimitedUntil: null };
    case 'KEY_EXPIRED':
      return { ...common, health: 'EXPIRED', rateLimitedUntil: null };
    case 'QUOTA_EXCEEDED':
      return { ...common, health: 'EXHAUSTED', rateLimitedUntil: null };
    case 'RATE_LIMITED':
      // Only a known key is counted against a limit.
      return { ...common, health: 'ACTIVE', rateLimitedUntil: retryAt };
    default:
      return { ...common, health: 'UNVERIFIED', rateLimitedUntil: null };
  }
}

interface Failure {
  code: AnswerErrorCode;
  retryAt: Date | null;
}

function failureOf(error: unknown, signal: AbortSignal): Failure {
  if (error instanceof ProviderError) {
    const retryAt = error.retryAfterMs === null ? null : new Date(Date.now() + error.retryAfterMs);
    return { code: error.code, retryAt };
  }
  if (signal.aborted) return { code: 'TIMEOUT', retryAt: null };
  throw error;
}

const PROBE_TIMEOUT_MS = 15_000; // a person is waiting for the answer
