import type { Viewer } from '../accounts/session.ts';
import { type AnswerErrorCode, ProviderRefusedError, ProviderUnavailableError } from '../answer-error.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { checkModelName, saveAddedModel } from '../models/add-model.ts';
import type { Model } from '../models/catalogue.ts';
import { NO_OPTIONS } from '../providers/options.ts';
import type { AnswerSink } from '../providers/provider.ts';
import { SealError } from '../vault/seal.ts';
import { requirePlanForKeys } from '../workspaces/plan.ts';
import { requireTenant } from '../workspaces/tenant.ts';
import { type ApiKey, changeApiKey, type KeyDeps, requireApiKey } from './api-key.ts';
import { type Failure, failureOf } from './check.ts';
import { type OpenedKey, withSecret } from './open-secret.ts';
import { recordKeyOutcome } from './record-outcome.ts';

/**
 * Adds a model by its name at the provider, for servers without a list and models that are not in it. The model is asked once:
 * throws ProviderRefusedError if the provider does not answer for it with this key, and ProviderUnavailableError if it could not
 * say. The model stays when the key's list is fetched again.
 */
export async function addModel(
  deps: KeyDeps,
  viewer: Viewer,
  input: { apiKeyId: string; name: string; title?: string | null | undefined },
): Promise<Model> {
  const named = checkModelName(input);
  const apiKey = await requireApiKey(deps, viewer, input.apiKeyId);
  const tenant = await requireTenant(deps, viewer, apiKey, 'manageKeys');
  requirePlanForKeys(tenant.plan, tenant.type);
  const { key, failure } = await deps.checkLimits.run(viewer, () => askOnce(deps, apiKey, named.name));
  const { code, retryAt, isExplicit } = failure ?? ANSWERED;
  await recordKeyOutcome(deps, apiKey.id, key, { code, retryAt, isExplicit });
  if (failure !== null) requireKnown(deps, apiKey, failure);
  return await changeApiKey(
    deps,
    viewer,
    apiKey.id,
    async (tx, { id, tenantId, provider, label, baseUrl }) => {
      const model = await saveAddedModel(tx, { id, tenantId, provider, baseUrl }, named);
      await recordAudit(tx, deps, tenantId, {
        action: 'MODEL_ADDED',
        actorId: viewer.id,
        subjectId: model.id,
        details: { provider, label, name: named.name },
      });
      return model;
    },
  );
}

interface Asked {
  key: OpenedKey;
  /** Null if the model answered. */
  failure: Failure | null;
  result: { refusal: 'explicit' | null };
}

/** Asks the model for an answer, and ends that with its first word: it costs next to nothing. */
async function askOnce(deps: KeyDeps, apiKey: ApiKey, name: string): Promise<Asked> {
  const provider = deps.providers[apiKey.provider];
  try {
    return await withSecret(deps, apiKey.id, async (credentials, key) => {
      const deadline = AbortSignal.timeout(ASK_TIMEOUT_MS);
      const call = { baseUrl: key.baseUrl, ...credentials, tenantId: key.tenantId, signal: deadline };
      const model = { name, maxOutputTokens: null, capabilities: [], optionFacts: null };
      const request = { model, options: NO_OPTIONS, turns: QUESTION, cacheKey: null };
      try {
        await provider.answer(call, request, untilFirstWord);
      } catch (error) {
        if (!(error instanceof FirstWord)) {
          const failure = failureOf(error, deadline);
          return { key, failure, result: { refusal: REFUSALS_OF_KEY.has(failure.code) ? 'explicit' : null } };
        }
      }
      return { key, failure: null, result: { refusal: null } };
    });
  } catch (error) {
    if (error instanceof SealError) throw new ProviderUnavailableError('KEY_UNAVAILABLE', provider);
    throw error;
  }
}

/** Throws unless the failure is one that only a model which is there can have. */
function requireKnown({ providers }: KeyDeps, apiKey: ApiKey, { code, retryAt }: Failure): void {
  const provider = providers[apiKey.provider];
  if (code === 'CONTENT_FILTERED' || code === 'EMPTY_ANSWER') return;
  if (REFUSALS_OF_KEY.has(code) || REFUSALS_OF_MODEL.has(code))
    throw new ProviderRefusedError(code, provider, null, apiKey.id);
  throw new ProviderUnavailableError(code, provider, retryAt);
}

class FirstWord extends Error {}

function endNow(): never {
  throw new FirstWord();
}

const ignore = () => {};
const untilFirstWord: AnswerSink = {
  ...{ text: endNow, reasoning: endNow },
  ...{ citation: ignore, usage: ignore, keep: ignore },
};

const QUESTION = [{ role: 'user', text: 'Hello' }] as const;
const ANSWERED = { code: null, retryAt: null, isExplicit: true };
const REFUSALS_OF_KEY: ReadonlySet<AnswerErrorCode> = new Set([
  'INVALID_KEY',
  'KEY_EXPIRED',
  'KEY_LACKS_PERMISSION',
]);
const REFUSALS_OF_MODEL: ReadonlySet<AnswerErrorCode> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_UNAVAILABLE',
  'BAD_REQUEST',
]);
const ASK_TIMEOUT_MS = 30_000; // a person waits, and a reasoning model may be silent for a while
