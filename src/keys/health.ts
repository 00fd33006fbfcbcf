import type { AnswerErrorCode } from '../answer-error.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import type { OpenedKey } from './open-secret.ts';
import type { KeyFacts, KeyHealth } from './status.ts';

/** The provider's last known verdict on a key: facts that change only together. */
export interface HealthFacts extends Pick<KeyFacts, 'health' | 'rateLimitedUntil'> {
  /** The error code behind the health; null if there is none. */
  healthReason: string | null;
  /** When the provider first refused the key with a bare status; null if it does not refuse it, or explains why. */
  refusedAt: Date | null;
}

/** The result of a check. */
export interface CheckResult {
  health: KeyHealth;
  /** Why the health is not ACTIVE, or why a working key's models could not be listed; null without a failure. */
  healthReason: AnswerErrorCode | null;
  rateLimitedUntil: Date | null;
  /** Whether the provider refused the key: with an explanation, or with a bare status, which proxies send too. */
  refusal: 'explicit' | 'unclear' | null;
  /** The provider's list of models, fit to be stored; null if it could not be fetched. */
  models: ListedModel[] | null;
  /** When the provider may be asked again, if it said so. */
  retryAt?: Date | null;
  /** Why the base URL may not be called, if its name resolves into a private network. */
  forbidden?: string;
}

/** A checked key and its result. */
export interface CheckedKey {
  /** The key as it was checked: by now it may hold another secret. */
  key: OpenedKey;
  result: CheckResult;
}

/**
 * The facts after the first check of a secret. A key is not ACTIVE before its provider has listed a model, since it has no
 * model to ask until then.
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
 * The facts after a check of a stored key. A check without a result changes nothing, so that an outage of the provider is not
 * taken for a fault of the key; an empty list of models is a result. For a check that a person asked for, `by`, the facts
 * follow the result more closely than for one by the server.
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
    if (!CHECK_SHOWS_CREDIT.has(before.provider)) return { ...before, refusedAt: null };
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
 * The facts after a bare refusal, whose sender is unknown: proxies and overloaded gateways answer valid keys with 401 and 403
 * too. The first one makes no visible change; a second one some time later makes the key INVALID.
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

/** The end of an answer, as far as it concerns the key that paid for it. */
export interface KeyOutcome {
  /** The code that the answer failed with; null if it did not fail. */
  code: AnswerErrorCode | null;
  retryAt: Date | null;
  /** Whether the provider's own words say so (see ProviderError). */
  isExplicit: boolean;
}

/** The facts after an answer that was not refused. */
export const FACTS_AFTER_SUCCESS = {
  health: 'ACTIVE',
  healthReason: null,
  rateLimitedUntil: null,
  refusedAt: null,
} as const satisfies HealthFacts;

/** The facts after an answer; undefined if it says nothing about the key, whatever the facts before. */
export function healthAfterAnswer(
  before: HealthFacts,
  { code, retryAt, isExplicit }: KeyOutcome,
  now: Date,
): HealthFacts | undefined {
  switch (code) {
    case null:
      return FACTS_AFTER_SUCCESS;
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

/** When a rate limit ends: as the provider said, else in a minute. */
export function rateLimitEndsAt(retryAt: Date | null, now: Date): Date {
  return retryAt ?? new Date(now.getTime() + DEFAULT_LIMIT_MS);
}

/** Whether viewers of the key see no difference. A rate limit whose end only moves is no difference. */
export function isSameHealth(before: HealthFacts, after: HealthFacts, now: Date): boolean {
  const isLimited = ({ rateLimitedUntil }: HealthFacts) =>
    rateLimitedUntil !== null && rateLimitedUntil > now;
  return (
    before.health === after.health &&
    before.healthReason === after.healthReason &&
    isLimited(before) === isLimited(after)
  );
}

/** Whether a check gave no lasting result and should be repeated soon. */
export function isInconclusive({ health, healthReason, models }: CheckResult): boolean {
  return health === 'UNVERIFIED' || (models === null && isTransient(healthReason));
}

/** When the server next checks a key. `inconclusive` is the number of consecutive checks without a result. */
export function nextRecheckAt(
  key: { health: KeyHealth; provider: ProviderName; refusedAt: Date | null },
  now: Date,
  inconclusive: number,
): Date {
  // Random, so that keys that were refused or added together are not all due together.
  return new Date(now.getTime() + intervalMs(key, now, inconclusive) * (1 + 0.2 * Math.random()));
}

function intervalMs(
  { health, provider, refusedAt }: { health: KeyHealth; provider: ProviderName; refusedAt: Date | null },
  now: Date,
  inconclusive: number,
): number {
  if (refusedAt !== null) {
    if (health === 'INVALID') return HOUR_MS; // the provider did not say why, so the key may work again
    if (!isConfirmable(refusedAt, now)) return CONFIRMED_AFTER_MS;
  }
  if (inconclusive > 0) return (BACKOFF_MINUTES[inconclusive - 1] ?? LONGEST_BACKOFF_MINUTES) * MINUTE_MS;
  if (health === 'EXHAUSTED' && CHECK_SHOWS_CREDIT.has(provider)) return HOUR_MS;
  return DAY_MS * 0.9;
}

/** Whether a failure goes away by itself. */
function isTransient(reason: string | null): boolean {
  return reason !== null && TRANSIENT.has(reason);
}

const TRANSIENT: ReadonlySet<string> = new Set([
  'RATE_LIMITED',
  'PROVIDER_OVERLOADED',
  'PROVIDER_ERROR',
  'NETWORK',
  'TIMEOUT',
  'STREAM_CUT',
] satisfies AnswerErrorCode[]);

/** Providers whose check fails without credit. The others accept such a key: only an answer shows that credit was added. */
const CHECK_SHOWS_CREDIT: ReadonlySet<ProviderName> = new Set(['NOVITA']);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CONFIRMED_AFTER_MS = MINUTE_MS; // an overloaded gateway has usually recovered by then
const BACKOFF_MINUTES = [1, 5, 15]; // most outages are short
const LONGEST_BACKOFF_MINUTES = 60;
const DEFAULT_LIMIT_MS = MINUTE_MS; // providers count requests by the minute
