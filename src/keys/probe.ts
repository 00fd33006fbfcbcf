import { type AnswerErrorCode, ProviderRefusedError } from '../answer-error.ts';
import { cleanModels } from '../models/clean-models.ts';
import { ForbiddenAddressError } from '../providers/address.ts';
import { ProviderError } from '../providers/failure.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import { adviceFor } from './advice.ts';
import type { KeyDeps } from './api-key.ts';
import { limitEnd } from './health.ts';
import type { KeyHealth } from './status.ts';
import { type OpenedKey, withSecret } from './with-secret.ts';

/** What a check of a key found out. */
export interface Probe {
  health: KeyHealth;
  /** Why the health is not ACTIVE, or why a working key's models could not be listed; null if all went well. */
  healthReason: AnswerErrorCode | null;
  rateLimitedUntil: Date | null;
  /** Whether the provider refused the key: in words of its own, or with nothing but a status that others send too. */
  refusal: 'explicit' | 'unclear' | null;
  /** What the provider lists, fit to be stored; null if it could not be asked. */
  models: ListedModel[] | null;
  /** Why the base URL may not be called, if that is the reason: its name leads into a private network. */
  forbidden?: string;
}

/** A stored key that was checked. */
export interface CheckedKey {
  /** What was asked about: by now the key may hold another secret. */
  key: OpenedKey;
  probe: Probe;
}

/**
 * Checks a stored key. There is never more than one such check of a key under way: whoever comes meanwhile gets its result.
 * Throws NotFoundError, SealError, and the signal's reason once that is aborted.
 */
export async function probeStoredKey(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'roots' | 'providers' | 'checks'>,
  id: string,
  signal?: AbortSignal,
): Promise<CheckedKey> {
  return await deps.checks.run(id, () =>
    withSecret(deps, id, async (secret, key) => ({ key, probe: await probeKey(deps, key, secret, signal) })),
  );
}

/**
 * Asks the provider whether it accepts the secret and what it lists, both within one deadline. A definite refusal is
 * reported as health INVALID or EXPIRED; a provider that cannot be reached, or lists no model, as UNVERIFIED with the reason.
 * Throws the reason of `stop` once that is aborted: what was cut off says nothing about the key.
 */
export async function probeKey(
  { providers }: Pick<KeyDeps, 'providers'>,
  key: { provider: ProviderName; baseUrl: string; ownerId: string },
  secret: string,
  stop?: AbortSignal,
): Promise<Probe> {
  const provider = providers[key.provider];
  const deadline = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const signal = stop === undefined ? deadline : AbortSignal.any([deadline, stop]);
  const call = { baseUrl: key.baseUrl, secret, ownerId: key.ownerId, signal };
  let models: ListedModel[] | null;
  try {
    models = await provider.checkKey(call);
  } catch (error) {
    const probe = probeOfFailure(failureOf(error, deadline));
    return error instanceof ForbiddenAddressError ? { ...probe, forbidden: error.message } : probe;
  }
  try {
    models = cleanModels(models ?? (await provider.listModels(call)));
    // A working key that offers nothing to ask is no good to anybody, and its managers have to read why.
    if (models.length === 0)
      return {
        health: 'UNVERIFIED',
        healthReason: 'NO_MODELS',
        rateLimitedUntil: null,
        refusal: null,
        models,
      };
    return { health: 'ACTIVE', healthReason: null, rateLimitedUntil: null, refusal: null, models };
  } catch (error) {
    const { code, retryAt } = failureOf(error, deadline);
    const rateLimitedUntil = code === 'RATE_LIMITED' ? limitEnd(retryAt, new Date()) : null;
    return { health: 'ACTIVE', healthReason: code, rateLimitedUntil, refusal: null, models: null };
  }
}

/** Throws ProviderRefusedError if the provider definitely refused the key. */
export function requireAccepted(
  probe: Probe,
  provider: { name: ProviderName; title: string },
  secret: string,
): void {
  // Any 401 asks for another key, and here somebody can give one. A bare 403 may be anybody's between here and there.
  if (probe.refusal === null) return;
  if (probe.refusal === 'unclear' && probe.healthReason !== 'INVALID_KEY') return;
  const code = probe.healthReason ?? 'INVALID_KEY';
  const hint = hintForeignKey(provider.name, secret) ?? adviceFor(provider.name, code);
  throw new ProviderRefusedError(code, provider.name, provider.title, hint);
}

function probeOfFailure({ code, retryAt, isExplicit }: Failure): Probe {
  const common = { healthReason: code, rateLimitedUntil: null, refusal: null, models: null };
  switch (code) {
    case 'INVALID_KEY':
    case 'KEY_LACKS_PERMISSION':
      return isExplicit
        ? { ...common, health: 'INVALID', refusal: 'explicit' }
        : { ...common, health: 'UNVERIFIED', refusal: 'unclear' };
    case 'KEY_EXPIRED':
      return { ...common, health: 'EXPIRED', refusal: 'explicit' };
    case 'QUOTA_EXCEEDED':
      return { ...common, health: 'EXHAUSTED' };
    case 'RATE_LIMITED':
      // Only a known key is counted against a limit.
      return { ...common, health: 'ACTIVE', rateLimitedUntil: limitEnd(retryAt, new Date()) };
    default:
      return { ...common, health: 'UNVERIFIED' };
  }
}

interface Failure {
  code: AnswerErrorCode;
  retryAt: Date | null;
  isExplicit: boolean;
}

function failureOf(error: unknown, deadline: AbortSignal): Failure {
  if (error instanceof ProviderError) {
    const { code, retryAfterMs, isExplicit } = error;
    return { code, retryAt: retryAfterMs === null ? null : new Date(Date.now() + retryAfterMs), isExplicit };
  }
  if (deadline.aborted) return { code: 'TIMEOUT', retryAt: null, isExplicit: true };
  throw error;
}

const PROBE_TIMEOUT_MS = 15_000; // a person is waiting for the answer
