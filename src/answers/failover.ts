import { and, eq, sql } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import { prepared } from '../db/prepared.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { messages, type StoredAttempt } from '../db/tables/thread.ts';
import { type FallbackKey, keyFailureCode } from '../keys/availability.ts';
import { recordKeyOutcome } from '../keys/record-outcome.ts';
import { failureName, log } from '../log.ts';
import type { AnswerEnd } from '../providers/provider.ts';
import { askKey, type KeyFailure, type KeyResult, LONGEST_RETRY_DELAY_MS } from './ask-key.ts';
import { isWriter } from './end-answer.ts';
import type { GenerateDeps, GenerationJob } from './generation-job.ts';

/** How asking the keys ended, and the last one of them with what that showed. `failure` is the one to show of all. */
export type KeysResult = { apiKeyId: string; lastResult: KeyResult } & (
  | { type: 'answered'; end: AnswerEnd }
  | { type: 'failed'; failure: KeyFailure }
);

/**
 * Asks one key after the other until one writes the answer. If a key fails before the first character, and another key may work,
 * the next one is asked that lists the model for the same tenant, provider and base URL: each key once, and three in all.
 */
export async function askKeys(
  deps: GenerateDeps,
  job: GenerationJob,
  signal: AbortSignal,
): Promise<KeysResult> {
  const { live } = job;
  const others = [...job.fallbackKeys];
  const failures: KeyFailure[] = [];
  let attempt = newAttempt(job.apiKeyId);
  for (;;) {
    const { apiKeyId } = attempt;
    const sealedKey = failures.length === 0 ? job.sealedKey : null;
    const longestLimitMs = isBetterThanWaiting(others[0], failures) ? SHORT_LIMIT_MS : LONGEST_RETRY_DELAY_MS;
    const lastResult = await askKey(deps, job, { attempt, sealedKey, longestLimitMs, signal });
    const last = { apiKeyId, lastResult };
    if (lastResult.type === 'answered') return { ...last, type: 'answered', end: lastResult.end };
    const { failure } = lastResult;
    if (signal.aborted) return { ...last, type: 'failed', failure };
    failures.push(failure);
    live.failAttempt(failure.code);
    if (live.hasOutput) return { ...last, type: 'failed', failure };
    const next = mayGoOn(failures) ? await moveToNextKey(deps, job, others) : null;
    if (next === null) return { ...last, type: 'failed', failure: mostTelling(failures, failure) };
    log.info({ answerId: live.id, apiKeyId, code: failure.code }, 'an answer goes on with another key');
    const { provider } = job.model;
    live.failCall({ code: failure.code, retryAt: new Date(), provider, apiKeyId, isOtherKey: true });
    await recordOutcome(deps, apiKeyId, lastResult);
    attempt = next;
  }
}

/** Saves what the calls with a key showed about it. Never throws: the answer is worth more. */
export async function recordOutcome(deps: GenerateDeps, apiKeyId: string, result: KeyResult): Promise<void> {
  if (result.key === undefined) return;
  const outcome = result.type === 'answered' ? SUCCESS : result.failure;
  await recordKeyOutcome(deps, apiKeyId, result.key, outcome).catch((error: unknown) => {
    log.error({ apiKeyId, failure: failureName(error) }, 'key health could not be saved');
  });
}

/**
 * Not after two keys in a row that were limited, or found the provider overloaded: they probably belong to one account, whose other
 * keys fare no better, and the person has waited for the retries of both.
 */
function mayGoOn(failures: readonly KeyFailure[]): boolean {
  const [last, before] = failures.toReversed();
  if (last === undefined || failures.length >= MAX_KEYS) return false;
  if (PASSING.has(last.code) && last.code === before?.code) return false;
  return canAnotherKeyMend(last.code);
}

/** Whether a key that is now limited is left for the next one, and not waited for. */
function isBetterThanWaiting(next: FallbackKey | undefined, failures: readonly KeyFailure[]): boolean {
  const isLast = failures.length + 1 >= MAX_KEYS || failures.at(-1)?.code === 'RATE_LIMITED';
  return next?.isActive === true && !isLast;
}

/**
 * Whether another key may get an answer where this one failed with the code. Not after a timeout or a broken stream: what was
 * asked may be paid for already. Nor for a plan, which is the same for all keys of a tenant.
 */
function canAnotherKeyMend(code: AnswerErrorCode): boolean {
  return MENDED_BY_ANOTHER_KEY.has(code);
}

const MENDED_BY_ANOTHER_KEY: ReadonlySet<AnswerErrorCode> = new Set([
  'INVALID_KEY',
  'KEY_EXPIRED',
  'KEY_LACKS_PERMISSION',
  'KEY_REMOVED',
  'KEY_UNAVAILABLE',
  'MODEL_NOT_FOUND', // the account behind another key may have it
  'PROVIDER_OVERLOADED', // some providers serve accounts apart
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
]);

/** Failures that pass by themselves. */
const PASSING: ReadonlySet<AnswerErrorCode> = new Set(['RATE_LIMITED', 'PROVIDER_OVERLOADED']);

/**
 * Which failure of several keys the person is shown. If the last one is about the question itself, that one. Else, of those that
 * pass by themselves, the one that passes first, since the person only has to wait. Else that of the first key in their order.
 */
function mostTelling(failures: readonly KeyFailure[], last: KeyFailure): KeyFailure {
  if (!canAnotherKeyMend(last.code)) return last;
  const endMs = ({ retryAt }: KeyFailure) => retryAt?.getTime() ?? 0;
  const [soonest] = failures
    .filter(({ code }) => PASSING.has(code))
    .toSorted((left, right) => endMs(left) - endMs(right));
  return soonest ?? failures[0] ?? last;
}

/**
 * Takes the next key that may still pay off the list and makes it the one that pays for the answer, before the provider is asked
 * with it, so that removing that key from then on reaches the answer. Null if there is none, or the answer is not ours any more.
 */
async function moveToNextKey(
  deps: GenerateDeps,
  { live, keyTenantId, isCommitted }: GenerationJob,
  others: FallbackKey[],
): Promise<StoredAttempt | null> {
  if (!(await isCommitted)) return null;
  try {
    for (let next = others.shift(); next !== undefined; next = others.shift()) {
      const { apiKeyId } = next;
      if ((await keyFailureCode(deps, apiKeyId)) !== null) continue;
      const attempt = newAttempt(apiKeyId);
      const values = {
        apiKeyId,
        tenantId: keyTenantId,
        attempts: [...live.attempts, attempt],
        answerId: live.id,
        writerId: live.writerId,
      };
      const moved = await retryConflicts(() => savePayingKey(deps.db).execute(values));
      if (moved.length > 0) return attempt;
    }
  } catch (error) {
    log.error(
      { answerId: live.id, failure: failureName(error) },
      'an answer could not go on with another key',
    );
  }
  return null;
}

/** One statement. The key's row is locked before the answer's, as in `db/lock-order`. */
const savePayingKey = prepared((db) => {
  const isKey = and(
    eq(apiKeys.id, sql.placeholder('apiKeyId')),
    eq(apiKeys.tenantId, sql.placeholder('tenantId')),
  );
  const key = db.$with('key').as(db.select({ id: apiKeys.id }).from(apiKeys).where(isKey).for('key share'));
  return db
    .with(key)
    .update(messages)
    .set({ apiKeyId: sql`(select ${key.id} from ${key})`, attempts: sql.placeholder('attempts') })
    .where(and(isWriter, sql`exists (select from ${key})`))
    .returning({ id: messages.id })
    .prepare('save_paying_key');
});

function newAttempt(apiKeyId: string): StoredAttempt {
  return { apiKeyId, startedAt: new Date().toISOString(), errorCode: null };
}

const SUCCESS = { code: null, retryAt: null, isExplicit: true } as const;
const MAX_KEYS = 3; // the person waits
const SHORT_LIMIT_MS = 2_000; // as long as it takes a person to notice
