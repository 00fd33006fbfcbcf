import type { AnswerErrorCode } from '../answer-error.ts';
import type { StoredAttempt } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { markRefused, markUnreadable } from '../files/unreadable.ts';
import { keyFailureCode } from '../keys/availability.ts';
import { type OpenedKey, type SealedKey, withSecret, withSecretOf } from '../keys/open-secret.ts';
import { failureName, log } from '../log.ts';
import { type Model, toAskedModel } from '../models/catalogue.ts';
import { isWorthRepeating, ProviderError } from '../providers/failure/failure.ts';
import type { AnswerEnd, Credentials } from '../providers/provider.ts';
import { SealError } from '../vault/seal.ts';
import type { GenerateDeps, GenerationJob } from './generation-job.ts';
import type { LiveAnswer } from './live-answer.ts';
import { FileUnreadableError, type SentConversation } from './sent-conversation.ts';

/** One key's turn to write an answer. */
export interface KeyTurn {
  attempt: StoredAttempt;
  /** The key's record, if it was read a moment ago. */
  sealedKey: SealedKey | null;
  /** The longest rate limit whose end is waited for. */
  longestLimitMs: number;
  /** Aborted when the answer is to end. */
  signal: AbortSignal;
}

/** How the calls with one key ended. `key` is absent if that says nothing about the key. */
export type KeyResult = { key?: OpenedKey } & (
  | { type: 'answered'; end: AnswerEnd }
  | { type: 'failed'; failure: KeyFailure }
);

/** Why a key did not write the answer. */
export interface KeyFailure {
  code: AnswerErrorCode;
  /** When the key may work again, if the provider said so. */
  retryAt: Date | null;
  /** Whether the provider's own words say so (see ProviderError). */
  isExplicit: boolean;
}

/** Asks the provider with one key, and again after a failure that passes. Never throws. */
export async function askKey(deps: GenerateDeps, job: GenerationJob, turn: KeyTurn): Promise<KeyResult> {
  const { live } = job;
  const keyLost = live.beginAttempt(turn.attempt);
  const lastUse: LastKeyUse = {};
  try {
    const signal = AbortSignal.any([turn.signal, keyLost]);
    const end = await askWithRetries(deps, job, { ...turn, signal }, lastUse);
    const isEmpty = live.final.text === '' && end.finishReason !== 'CONTENT_FILTER';
    if (!isEmpty) return { type: 'answered', end, ...lastUse };
    return { type: 'failed', failure: failureOf('EMPTY_ANSWER'), ...lastUse };
  } catch (error) {
    if (turn.signal.aborted) return { type: 'failed', failure: failureOf('PROVIDER_ERROR') };
    const failure = keyLost.aborted ? failureOf('KEY_REMOVED') : failureFrom(live, error);
    if (error instanceof FileUnreadableError && error.isLost) await rememberLost(deps, error);
    if (isRefusedRequest(error) && !live.hasOutput) await rememberRefused(deps, job);
    return { type: 'failed', failure, ...lastUse };
  }
}

/** A transient failure is retried only before the first character; after it, the text would begin twice. */
async function askWithRetries(
  deps: GenerateDeps,
  job: GenerationJob,
  { attempt: { apiKeyId }, sealedKey, longestLimitMs, signal }: KeyTurn,
  lastUse: LastKeyUse,
): Promise<AnswerEnd> {
  const { live, model, keyTenantId, options, conversation } = job;
  const cacheKey = deps.cachesPrompts ? live.threadId : null;
  for (let tries = 1; ; tries++) {
    try {
      const turns = await conversation.readTurns(signal);
      const ask = (credentials: Credentials, key: OpenedKey) => {
        requireSealedFor(key, keyTenantId, model);
        lastUse.key = key;
        return deps.providers[key.provider].answer(
          { ...credentials, baseUrl: key.baseUrl, tenantId: key.tenantId, signal },
          { model: toAskedModel(model), options, turns, cacheKey },
          live,
        );
      };
      return tries === 1 && sealedKey !== null
        ? await withSecretOf(deps, sealedKey, ask)
        : await withSecret(deps, apiKeyId, ask);
    } catch (error) {
      requireFilesRead(conversation, lastUse);
      const delayMs = retryDelayMs(error, tries, longestLimitMs);
      if (delayMs === undefined || live.hasOutput || signal.aborted) throw error;
      const { code } = error as ProviderError;
      const retryAt = new Date(Date.now() + delayMs);
      live.failCall({ code, retryAt, provider: model.provider, apiKeyId, isOtherKey: false });
      await waitUnlessAborted(delayMs, signal);
      await requireUsableStill(deps, apiKeyId, lastUse);
    }
  }
}

/** Throws FileUnreadableError if a file could not be read, whatever became of the call for want of its bytes. */
function requireFilesRead({ failure }: SentConversation, lastUse: LastKeyUse): void {
  if (failure === null) return;
  // The call has ended for a reason of ours, which says nothing about the key.
  delete lastUse.key;
  throw failure;
}

/** Throws UnusableKeyError if the key may not be used again, e.g. because the plan was lowered during a rate limit. */
async function requireUsableStill(deps: GenerateDeps, apiKeyId: string, lastUse: LastKeyUse): Promise<void> {
  const code = await keyFailureCode(deps, apiKeyId);
  if (code === null) return;
  // The calls now end for a reason of ours, which says nothing about the key.
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

/** How long to wait before the next call; undefined if there is none. */
function retryDelayMs(error: unknown, tries: number, longestLimitMs: number): number | undefined {
  if (!(error instanceof ProviderError) || tries > MAX_RETRIES) return undefined;
  if (!isWorthRepeating(error)) return undefined;
  const delayMs = error.retryAfterMs ?? FIRST_RETRY_DELAY_MS * 2 ** (tries - 1);
  const longestMs = error.code === 'RATE_LIMITED' ? longestLimitMs : LONGEST_RETRY_DELAY_MS;
  return delayMs <= longestMs ? delayMs : undefined;
}

function failureFrom(live: LiveAnswer, error: unknown): KeyFailure {
  if (error instanceof ProviderError) {
    const retryAt = error.retryAfterMs === null ? null : new Date(Date.now() + error.retryAfterMs);
    return { code: error.code, retryAt, isExplicit: error.isExplicit };
  }
  if (error instanceof UnusableKeyError) return failureOf(error.code);
  if (error instanceof NotFoundError) return failureOf('KEY_REMOVED');
  if (error instanceof FileUnreadableError) {
    const { attachmentId, isLost } = error;
    log.error({ answerId: live.id, attachmentId, isLost }, 'a file could not be read for an answer');
    return failureOf('FILE_UNREADABLE');
  }
  log.error({ answerId: live.id, failure: failureName(error) }, 'an answer failed');
  return failureOf(error instanceof SealError ? 'KEY_UNAVAILABLE' : 'PROVIDER_ERROR');
}

/** From now on the file is left out, so that the thread can go on. Never throws: the answer has failed already. */
async function rememberLost({ db }: GenerateDeps, { attachmentId }: FileUnreadableError): Promise<void> {
  await markUnreadable({ db }, attachmentId).catch((error: unknown) => {
    log.error({ attachmentId, failure: failureName(error) }, 'a lost file could not be marked');
  });
}

/** Whether a provider has refused what was sent, and not a wrong address, which is a BAD_REQUEST too. */
function isRefusedRequest(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    error.code === 'BAD_REQUEST' &&
    CONTENT_STATUSES.includes(error.status ?? 0)
  );
}

/**
 * Whatever the provider did not like: from now on it is sent these files in another way, or not at all, so that no file ends the
 * thread. Never throws: the answer has failed already.
 */
async function rememberRefused(
  { db }: GenerateDeps,
  { live, model, conversation }: GenerationJob,
): Promise<void> {
  const ids = conversation.nativeIds;
  if (ids.length === 0) return;
  log.warn({ answerId: live.id, provider: model.provider }, 'a provider refused a request with files');
  await markRefused({ db }, model.provider, ids).catch((error: unknown) => {
    log.error({ answerId: live.id, failure: failureName(error) }, 'refused files could not be marked');
  });
}

function failureOf(code: AnswerErrorCode): KeyFailure {
  return { code, retryAt: null, isExplicit: true };
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

const CONTENT_STATUSES: readonly number[] = [400, 413, 415, 422];
const MAX_RETRIES = 2;
const FIRST_RETRY_DELAY_MS = 1_000;
/** Beyond that a failure with `retryAt` is better than waiting. */
export const LONGEST_RETRY_DELAY_MS = 20_000;
