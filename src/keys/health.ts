import type { AnswerErrorCode } from '../answer-error.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import type { OpenedKey } from './open-secret.ts';
import type { KeyFacts, KeyHealth } from './status.ts';

/** What the provider is known to think of a key: facts that change only together. */
export interface HealthFacts extends Pick<KeyFacts, 'health' | 'rateLimitedUntil'> {
  /** The error code behind the health; null if there is nothing to say. */
  healthReason: string | null;
  /** When the provider first refused the key without words of its own; null if it does not refuse it, or says why. */
  refusedAt: Date | null;
}

/** What a check of a key found out. */
export interface CheckResult {
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
  result: CheckResult;
}

/**
 * The facts after the first check of a secret. A key is not ACTIVE before its provider has listed a model: until then it
 * offers nothing to ask.
 */
export function healthAfterFirstCheck(
  { health, healthReason, rateLimitedUntil, models, refusal }: CheckResult,
  now: Date,
): HealthFacts {
  const isUnlisted = health === 'ACTIVE' && models === null;
  return {
    health: isUnlisted ? 'UNVERIFIED' : health,
    healthReason,
    rateLimitedUntil,
    refusedAt: refusal === 'unclear' ? now : null,
  };
}

/**
 * The facts after a check of a stored key. What could not be told changes nothing, so that a provider's bad hour is not taken
 * for the key's; a list without a model is an answer. `by` says who asked: a person learns more than the server acts on by itself.
 */
export function healthAfterCheck(
  before: HealthFacts & { provider: ProviderName; modelsRefreshedAt: Date | null },
  result: CheckResult,
  by: 'person' | 'server',
  now: Date,
): HealthFacts {
  const { health, healthReason, rateLimitedUntil, models } = result;
  if (result.refusal === 'unclear') return healthAfterUnclearRefusal(before, healthReason, now);
  if (health === 'UNVERIFIED' && models === null && before.health !== 'UNVERIFIED') return before;
  const isAccepted = health === 'ACTIVE' || models !== null;
  if (by === 'server' && isAccepted && before.health === 'EXHAUSTED') {
    if (!CHECK_TELLS_CREDIT.has(before.provider)) return { ...before, refusedAt: null };
  }
  if (models === null && health === 'ACTIVE') {
    const isUnlisted = before.health === 'UNVERIFIED' || before.modelsRefreshedAt === null;
    if (isUnlisted) return healthAfterFirstCheck(result, now);
    if (by === 'server' && isTransient(healthReason))
      return { health, healthReason: null, rateLimitedUntil, refusedAt: null };
  }
  const refusedAt = health === 'UNVERIFIED' && models === null ? before.refusedAt : null;
  return { health, healthReason, rateLimitedUntil, refusedAt };
}

/**
 * The facts after a refusal of which nobody can tell whose it is: a proxy or an overloaded gateway answers 401 and 403 to keys
 * that are good. The first one changes nothing that is seen; the same some time later is believed.
 */
function healthAfterUnclearRefusal(before: HealthFacts, code: string | null, now: Date): HealthFacts {
  if (before.health === 'INVALID' || before.health === 'EXPIRED') return before;
  if (before.refusedAt === null) return { ...before, refusedAt: now };
  if (!isConfirmable(before.refusedAt, now)) return before;
  return { ...before, health: 'INVALID', healthReason: code };
}

function isConfirmable(refusedAt: Date, now: Date): boolean {
  return now.getTime() - refusedAt.getTime() >= CONFIRMED_AFTER_MS;
}

/** How an answer ended, as far as it concerns the key that paid for it. */
export interface KeyOutcome {
  /** What the answer failed with; null if it did not fail. */
  code: AnswerErrorCode | null;
  retryAt: Date | null;
  /** Whether the provider's own words say so (see ProviderError). */
  isExplicit: boolean;
}

/** The facts after an answer; undefined if it says nothing about the key. */
export function healthAfterAnswer(
  before: HealthFacts,
  { code, retryAt, isExplicit }: KeyOutcome,
  now: Date,
): HealthFacts | undefined {
  switch (code) {
    case null:
      return { health: 'ACTIVE', healthReason: null, rateLimitedUntil: null, refusedAt: null };
    case 'INVALID_KEY':
      if (!isExplicit) return healthAfterUnclearRefusal(before, code, now);
      return { ...before, health: 'INVALID', healthReason: code, refusedAt: null };
    case 'KEY_EXPIRED':
      return { ...before, health: 'EXPIRED', healthReason: code, refusedAt: null };
    case 'QUOTA_EXCEEDED':
      return { ...before, health: 'EXHAUSTED', healthReason: code, refusedAt: null };
    case 'RATE_LIMITED':
      return { ...before, rateLimitedUntil: rateLimitEndsAt(retryAt, now) };
    default:
      return undefined;
  }
}

/** Until when a key is taken for limited, where the provider may not have said. */
export function rateLimitEndsAt(retryAt: Date | null, now: Date): Date {
  return retryAt ?? new Date(now.getTime() + UNTOLD_LIMIT_MS);
}

/** Whether those who see the key would see no difference. That a rate limit only moves its end is none. */
export function isSameHealth(before: HealthFacts, after: HealthFacts, now: Date): boolean {
  const isLimited = ({ rateLimitedUntil }: HealthFacts) =>
    rateLimitedUntil !== null && rateLimitedUntil > now;
  return (
    before.health === after.health &&
    before.healthReason === after.healthReason &&
    isLimited(before) === isLimited(after)
  );
}

/** Whether a check brought no result that lasts: it is worth another one soon. */
export function isInconclusive({ health, healthReason, models }: CheckResult): boolean {
  return health === 'UNVERIFIED' || (models === null && isTransient(healthReason));
}

/** When the server checks a key by itself again. `inconclusive` counts the checks in a row that brought no result. */
export function nextRecheckAt(
  key: { health: KeyHealth; provider: ProviderName; refusedAt: Date | null },
  now: Date,
  inconclusive: number,
): Date {
  // Keys that were refused together, or came together, are not all due together.
  return new Date(now.getTime() + intervalMs(key, now, inconclusive) * (1 + 0.2 * Math.random()));
}

function intervalMs(
  { health, provider, refusedAt }: { health: KeyHealth; provider: ProviderName; refusedAt: Date | null },
  now: Date,
  inconclusive: number,
): number {
  if (refusedAt !== null) {
    if (health === 'INVALID') return HOUR_MS; // nobody said why, so it may be good again
    if (!isConfirmable(refusedAt, now)) return CONFIRMED_AFTER_MS;
  }
  if (inconclusive > 0) return (BACKOFF_MINUTES[inconclusive - 1] ?? LONGEST_BACKOFF_MINUTES) * MINUTE_MS;
  if (health === 'EXHAUSTED' && CHECK_TELLS_CREDIT.has(provider)) return HOUR_MS;
  return DAY_MS * 0.9;
}

/** Whether a reason is one that goes away by itself. */
function isTransient(reason: string | null): boolean {
  return reason !== null && PASSING.has(reason);
}

const PASSING: ReadonlySet<string> = new Set([
  'RATE_LIMITED',
  'PROVIDER_OVERLOADED',
  'PROVIDER_ERROR',
  'NETWORK',
  'TIMEOUT',
  'STREAM_CUT',
] satisfies AnswerErrorCode[]);

/** The others accept a key without any credit: only an answer shows that there is some again. */
const CHECK_TELLS_CREDIT: ReadonlySet<ProviderName> = new Set(['NOVITA']);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CONFIRMED_AFTER_MS = MINUTE_MS; // an overloaded gateway has come to itself by then, or the refusal is meant
const BACKOFF_MINUTES = [1, 5, 15]; // most outages are short
const LONGEST_BACKOFF_MINUTES = 60;
const UNTOLD_LIMIT_MS = MINUTE_MS; // providers count requests by the minute
