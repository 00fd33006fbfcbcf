import type { AnswerErrorCode } from '../answer-error.ts';
import { NotFoundError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import { keyFailureCode } from '../keys/availability.ts';
import { type OpenedKey, type SealedKey, withSecret, withSecretOf } from '../keys/open-secret.ts';
import { recordKeyOutcome } from '../keys/record-outcome.ts';
import { failureName, log } from '../log.ts';
import type { Model } from '../models/catalogue.ts';
import { isWorthRepeating, ProviderError } from '../providers/failure/failure.ts';
import type { AnswerOptions } from '../providers/options.ts';
import type { AnswerEnd, AnswerRequest } from '../providers/provider.ts';
import { SealError } from '../vault/seal.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';
import type { Ending, LiveAnswer } from './live-answer.ts';

export type GenerateDeps = EndDeps & KeyDeps;

/** An answer to generate, with its model and key. */
export interface GenerationJob {
  live: LiveAnswer;
  model: Model;
  apiKeyId: string;
  /** The workspace or team that owns the key. */
  keyTenantId: string;
  /** How the model is to answer. */
  options: AnswerOptions;
  request: Pick<AnswerRequest, 'system' | 'turns'>;
  /** The record of the key as it was read when the answer began, for the first call. */
  sealedKey: SealedKey;
  /** Whether the answer's row is there; the provider is asked before that is known. */
  isCommitted: Promise<boolean>;
}

/** Generates one answer from the first request to its saved end. Never throws: a failure is an ending of the answer. */
export async function generateAnswer(deps: GenerateDeps, job: GenerationJob): Promise<void> {
  const { live } = job;
  const lastUse: LastKeyUse = {};
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const signal = AbortSignal.any([live.abort.signal, deadline]);
  let ending: Ending;
  let isExplicit = true;
  try {
    const end = await askWithRetries(deps, job, lastUse, signal);
    ending =
      live.final.text !== '' || end.finishReason === 'CONTENT_FILTER'
        ? { type: 'finished', status: 'COMPLETE', ...end }
        : failed('EMPTY_ANSWER');
  } catch (error) {
    // If another ending was claimed first, it aborted the call, and this one changes nothing.
    isExplicit = !(error instanceof ProviderError) || error.isExplicit;
    ending = deadline.aborted ? failed('TIMEOUT') : endingFrom(live, error);
  }
  await job.isCommitted;
  await endAnswer(deps, live, ending);
  if (lastUse.key === undefined) return;
  const [code, retryAt] = ending.type === 'failed' ? [ending.code, ending.retryAt] : [null, null];
  await recordKeyOutcome(deps, job.apiKeyId, lastUse.key, { code, retryAt, isExplicit }).catch(
    (error: unknown) => {
      log.error({ apiKeyId: job.apiKeyId, failure: failureName(error) }, 'key health could not be saved');
    },
  );
}

/** A transient failure is retried only before the first character; after it, the text would begin twice. */
async function askWithRetries(
  deps: GenerateDeps,
  job: GenerationJob,
  lastUse: LastKeyUse,
  signal: AbortSignal,
): Promise<AnswerEnd> {
  const { live, model, keyTenantId, request } = job;
  const ask = (secret: string, key: OpenedKey) => {
    requireSealedFor(key, keyTenantId, model);
    lastUse.key = key;
    return deps.providers[key.provider].answer(
      { baseUrl: key.baseUrl, secret, tenantId: key.tenantId, signal },
      // Requested output tokens count against the context window and the key's rate limits, so the provider decides how many.
      { ...request, model: model.name, maxOutputTokens: null },
      live,
    );
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return attempt === 1
        ? await withSecretOf(deps, job.sealedKey, ask)
        : await withSecret(deps, job.apiKeyId, ask);
    } catch (error) {
      const delayMs = retryDelayMs(error, attempt);
      if (delayMs === undefined || live.hasOutput || signal.aborted) throw error;
      const { code } = error as ProviderError;
      const retryAt = new Date(Date.now() + delayMs);
      live.retry({ attempt, retryAt, code, provider: model.provider });
      await waitUnlessAborted(delayMs, signal);
      await requireUsableStill(deps, job.apiKeyId, lastUse);
    }
  }
}

/** Throws UnusableKeyError if the key may not be used again, e.g. because the plan was lowered during a rate limit. */
async function requireUsableStill(deps: GenerateDeps, apiKeyId: string, lastUse: LastKeyUse): Promise<void> {
  const code = await keyFailureCode(deps, apiKeyId);
  if (code === null) return;
  // The answer now ends for a reason of ours, which says nothing about the key.
  delete lastUse.key;
  throw new UnusableKeyError(code);
}

class UnusableKeyError extends Error {
  readonly code: AnswerErrorCode;

  constructor(code: AnswerErrorCode) {
    super(code);
    this.code = code;
  }
}

/** The key of the last call, as it was then; absent if there was no call. */
interface LastKeyUse {
  key?: OpenedKey;
}

/**
 * Throws SealError unless the key is sealed for the owner, provider and base URL of the model. An attacker with write access to
 * the database can change the model's row, but not what a key is sealed with; replacing a secret between two attempts changes
 * both.
 */
function requireSealedFor(key: OpenedKey, keyTenantId: string, model: Model): void {
  const isSame =
    key.tenantId === keyTenantId && key.provider === model.provider && key.baseUrl === model.baseUrl;
  if (!isSame) throw new SealError('misdirected');
}

/** How long to wait before the next attempt; undefined if there is none. */
function retryDelayMs(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof ProviderError) || attempt > MAX_RETRIES) return undefined;
  if (!isWorthRepeating(error)) return undefined;
  const delayMs = error.retryAfterMs ?? FIRST_RETRY_DELAY_MS * 2 ** (attempt - 1);
  return delayMs <= LONGEST_RETRY_DELAY_MS ? delayMs : undefined;
}

function endingFrom(live: LiveAnswer, error: unknown): Ending {
  if (error instanceof ProviderError) {
    const retryAt = error.retryAfterMs === null ? null : new Date(Date.now() + error.retryAfterMs);
    return failed(error.code, retryAt);
  }
  if (error instanceof UnusableKeyError) return failed(error.code);
  if (error instanceof NotFoundError) return failed('KEY_REMOVED');
  if (!live.abort.signal.aborted)
    log.error({ answerId: live.id, failure: failureName(error) }, 'an answer failed');
  return failed(error instanceof SealError ? 'KEY_UNAVAILABLE' : 'PROVIDER_ERROR');
}

function failed(code: AnswerErrorCode, retryAt: Date | null = null): Ending {
  return { type: 'failed', status: 'FAILED', code, retryAt };
}

async function waitUnlessAborted(delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    }
  });
}

const ANSWER_TIMEOUT_MS = 30 * 60 * 1_000;
const MAX_RETRIES = 2;
const FIRST_RETRY_DELAY_MS = 1_000;
const LONGEST_RETRY_DELAY_MS = 20_000; // beyond that a failure with `retryAt` is better than waiting
