import type { Viewer } from '../accounts/session.ts';
import { type AnswerErrorCode, ProviderRefusedError, ProviderUnavailableError } from '../answer-error.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { cleanModels } from '../models/save-models.ts';
import { ProviderError } from '../providers/failure/failure.ts';
import { ForbiddenAddressError } from '../providers/http/address.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { Credentials, ListedModel, Provider, ProviderName } from '../providers/provider.ts';
import { SealError } from '../vault/seal.ts';
import { requirePlanForKeys } from '../workspaces/plan.ts';
import { requireTenant } from '../workspaces/tenant.ts';
import { type ApiKey, type KeyDeps, requireApiKey } from './api-key.ts';
import { type CheckedKey, type CheckResult, rateLimitEndsAt } from './health.ts';
import { withSecret } from './open-secret.ts';
import { saveCheckResult } from './record-outcome.ts';
import { adviceFor } from './status.ts';

/**
 * Asks the provider again whether it accepts a stored key and what it lists, and saves what it says. Throws
 * ProviderRefusedError once a definite refusal is saved, and ProviderUnavailableError if the provider could not say; the key
 * is then as before.
 */
export async function checkApiKey(
  deps: KeyDeps,
  viewer: Viewer,
  id: string,
): Promise<{ apiKey: ApiKey; models: Model[] }> {
  const before = await requireApiKey(deps, viewer, id);
  const tenant = await requireTenant(deps, viewer, before, 'manageKeys');
  requirePlanForKeys(tenant.plan, tenant.type);
  const provider = deps.providers[before.provider];
  const result = await checkAndSave(deps, viewer, id, provider);
  const apiKey = await requireApiKey(deps, viewer, id);
  const { refusal, healthReason, models, health } = result;
  const code = healthReason ?? 'PROVIDER_ERROR';
  // An unclear refusal is believed when it comes twice, and none is of a secret that was replaced meanwhile.
  const isBelieved = apiKey.health === (refusal === 'unclear' ? 'INVALID' : health);
  if (refusal !== null && isBelieved)
    throw new ProviderRefusedError(code, provider, adviceFor(provider.name, code), id);
  if (health === 'UNVERIFIED' && models === null)
    throw new ProviderUnavailableError(code, provider, result.retryAt, result.forbidden);
  return { apiKey, models: await modelsOfKey(deps, id) };
}

async function checkAndSave(
  deps: KeyDeps,
  viewer: Viewer,
  id: string,
  provider: Provider,
): Promise<CheckResult> {
  let checked: CheckedKey;
  try {
    checked = await deps.checkLimits.run(viewer, () => checkStoredKey(deps, id));
  } catch (error) {
    if (error instanceof SealError) throw new ProviderUnavailableError('KEY_UNAVAILABLE', provider);
    throw error;
  }
  await saveCheckResult(deps, id, checked, { type: 'person', viewer });
  return checked.result;
}

/**
 * Checks a stored key. Only one check of a key runs at a time; callers during it get its result. Throws NotFoundError,
 * SealError, and the signal's reason once that is aborted.
 */
export async function checkStoredKey(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'rootKeys' | 'providers' | 'checks'>,
  id: string,
  signal?: AbortSignal,
): Promise<CheckedKey> {
  return await deps.checks.run(id, () =>
    withSecret(deps, id, async (credentials, key) => ({
      key,
      result: await checkSecret(deps, key, credentials, signal),
    })),
  );
}

/**
 * Asks the provider whether it accepts the secret and which models it lists, both within one deadline. A definite refusal is
 * reported as health INVALID or EXPIRED; a provider that cannot be reached, or lists no model, as UNVERIFIED with the reason.
 * Throws the reason of `stop` once that is aborted: an aborted check says nothing about the key.
 */
export async function checkSecret(
  { providers }: Pick<KeyDeps, 'providers'>,
  key: { provider: ProviderName; baseUrl: string; tenantId: string },
  credentials: Credentials,
  stop?: AbortSignal,
): Promise<CheckResult> {
  const provider = providers[key.provider];
  const deadline = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  const signal = stop === undefined ? deadline : AbortSignal.any([deadline, stop]);
  const call = { ...credentials, baseUrl: key.baseUrl, tenantId: key.tenantId, signal };
  let models: ListedModel[] | null;
  try {
    models = await provider.checkKey(call);
  } catch (error) {
    const result = resultOfFailure(failureOf(error, deadline));
    return error instanceof ForbiddenAddressError ? { ...result, forbidden: error.message } : result;
  }
  try {
    models = cleanModels(models ?? (await provider.listModels(call)));
    // A working key without a model is useless, and its managers need the reason.
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
    const rateLimitedUntil = code === 'RATE_LIMITED' ? rateLimitEndsAt(retryAt, new Date()) : null;
    return { health: 'ACTIVE', healthReason: code, rateLimitedUntil, refusal: null, models: null };
  }
}

/** Throws ProviderRefusedError if the provider definitely refused the key. */
export function requireAccepted(
  result: CheckResult,
  provider: Pick<Provider, 'name' | 'title'>,
  secret: string,
): void {
  // At a bare 401 the person can enter another key at once. A bare 403 may come from any proxy on the way.
  if (result.refusal === null) return;
  if (result.refusal === 'unclear' && result.healthReason !== 'INVALID_KEY') return;
  const code = result.healthReason ?? 'INVALID_KEY';
  const hint = hintForeignKey(provider.name, secret) ?? adviceFor(provider.name, code);
  throw new ProviderRefusedError(code, provider, hint);
}

function resultOfFailure({ code, retryAt, isExplicit }: Failure): CheckResult {
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
      // Providers count only requests with a valid key against a rate limit.
      return { ...common, health: 'ACTIVE', rateLimitedUntil: rateLimitEndsAt(retryAt, new Date()) };
    default:
      return { ...common, health: 'UNVERIFIED', retryAt };
  }
}

/** Why a provider did not do what it was asked. */
export interface Failure {
  code: AnswerErrorCode;
  retryAt: Date | null;
  isExplicit: boolean;
}

/** The failure of a call with this deadline. Throws what is no failure of a provider. */
export function failureOf(error: unknown, deadline: AbortSignal): Failure {
  if (error instanceof ProviderError) {
    const { code, retryAfterMs, isExplicit } = error;
    return { code, retryAt: retryAfterMs === null ? null : new Date(Date.now() + retryAfterMs), isExplicit };
  }
  if (deadline.aborted) return { code: 'TIMEOUT', retryAt: null, isExplicit: true };
  throw error;
}

const CHECK_TIMEOUT_MS = 15_000; // a person is waiting for the answer
