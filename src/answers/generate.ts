import type { AnswerErrorCode } from '../answer-error.ts';
import { NotFoundError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import { keyFailureCode } from '../keys/availability.ts';
import { type OpenedKey, withSecret } from '../keys/open-secret.ts';
import { recordKeyOutcome } from '../keys/record-outcome.ts';
import { failureName, log } from '../log.ts';
import type { Model } from '../models/catalogue.ts';
import { isWorthRepeating, ProviderError } from '../providers/failure/failure.ts';
import type { AnswerEnd, AnswerRequest } from '../providers/provider.ts';
import { SealError } from '../vault/seal.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';
import type { Ending, LiveAnswer } from './live-answer.ts';

export type GenerateDeps = EndDeps & KeyDeps;

/** What is to be written, by which model, with which key. */
export interface GenerationJob {
  live: LiveAnswer;
  model: Model;
  apiKeyId: string;
  /** The workspace or team whose key it is. */
  keyTenantId: string;
  request: Pick<AnswerRequest, 'system' | 'turns'>;
}

/** Writes one answer from the first request to its saved end. Never throws: whatever happens is how the answer ended. */
export async function generateAnswer(deps: GenerateDeps, assignment: GenerationJob): Promise<void> {
  const { live } = assignment;
  const asked: LastKeyUse = {};
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const signal = AbortSignal.any([live.abort.signal, deadline]);
  let ending: Ending;
  let isExplicit = true;
  try {
    const end = await askWithRetries(deps, assignment, asked, signal);
    ending =
      live.final.text !== '' || end.finishReason === 'CONTENT_FILTER'
        ? { type: 'finished', status: 'COMPLETE', ...end }
        : failed('EMPTY_ANSWER');
  } catch (error) {
    // Whoever settled the answer first also aborted the call; this ending then changes nothing.
    isExplicit = !(error instanceof ProviderError) || error.isExplicit;
    ending = deadline.aborted ? failed('TIMEOUT') : endingFrom(live, error);
  }
  await endAnswer(deps, live, ending);
  if (asked.key === undefined) return;
  const [code, retryAt] = ending.type === 'failed' ? [ending.code, ending.retryAt] : [null, null];
  await recordKeyOutcome(deps, assignment.apiKeyId, asked.key, { code, retryAt, isExplicit }).catch(
    (error: unknown) => {
      log.error(
        { apiKeyId: assignment.apiKeyId, failure: failureName(error) },
        'key health could not be saved',
      );
    },
  );
}

/** Before the first character a passing failure may be tried again; after it, the text would begin twice. */
async function askWithRetries(
  deps: GenerateDeps,
  assignment: GenerationJob,
  asked: LastKeyUse,
  signal: AbortSignal,
): Promise<AnswerEnd> {
  const { live, model, keyTenantId, request } = assignment;
  for (let attempt = 1; ; attempt++) {
    try {
      return await withSecret(deps, assignment.apiKeyId, (secret, key) => {
        requireSamePlace(key, keyTenantId, model);
        asked.key = key;
        return deps.providers[key.provider].answer(
          { baseUrl: key.baseUrl, secret, tenantId: key.tenantId, signal },
          // Room asked for counts against the model's context and the key's limits, so the provider decides how much.
          { ...request, model: model.name, maxOutputTokens: null },
          live,
        );
      });
    } catch (error) {
      const delayMs = retryDelayMs(error, attempt);
      if (delayMs === undefined || live.hasOutput || signal.aborted) throw error;
      const { code } = error as ProviderError;
      live.retry(attempt, new Date(Date.now() + delayMs), code, model.provider);
      await waitUnlessAborted(delayMs, signal);
      await requireUsableStill(deps, assignment.apiKeyId, asked);
    }
  }
}

/** Throws UnusableKeyError if the key may not be asked another time, e.g. because the plan was lowered while it was limited. */
async function requireUsableStill(deps: GenerateDeps, apiKeyId: string, asked: LastKeyUse): Promise<void> {
  const code = await keyFailureCode(deps, apiKeyId);
  if (code === null) return;
  // The answer now ends for a reason of ours, which teaches nothing about the key.
  delete asked.key;
  throw new UnusableKeyError(code);
}

class UnusableKeyError extends Error {
  readonly code: AnswerErrorCode;

  constructor(code: AnswerErrorCode) {
    super(code);
    this.code = code;
  }
}

/** The key whose last call decides the end, as it was then; absent if there is none. */
interface LastKeyUse {
  key?: OpenedKey;
}

/**
 * Whoever can write to the database can change what a model's row says, but not what a key was sealed with. A key also
 * comes to another place when its secret is replaced between two attempts.
 */
function requireSamePlace(key: OpenedKey, keyTenantId: string, model: Model): void {
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
const LONGEST_RETRY_DELAY_MS = 20_000; // longer than that a person prefers to be told
