import type { AnswerErrorCode } from '../answer-error.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Probe } from './probe.ts';
import type { KeyFacts, KeyHealth } from './status.ts';

/** What the provider is known to think of a key: facts that change only together. */
export interface HealthFacts extends Pick<KeyFacts, 'health' | 'rateLimitedUntil'> {
  /** The error code behind the health; null if there is nothing to say. */
  healthReason: string | null;
}

/**
 * The facts after the first check of a secret. A key is not ACTIVE before its provider has listed a model: until then it
 * offers nothing to ask.
 */
export function healthAfterFirstCheck({
  health,
  healthReason,
  rateLimitedUntil,
  models,
}: Probe): HealthFacts {
  const isUnlisted = health === 'ACTIVE' && models === null;
  return { health: isUnlisted ? 'UNVERIFIED' : health, healthReason, rateLimitedUntil };
}

/**
 * The facts after a check of a stored key. What could not be told changes nothing, so that a provider's bad hour is not taken
 * for the key's; a list without a model is an answer. `by` says who asked: a person learns more than the server acts on by itself.
 */
export function healthAfterCheck(
  before: HealthFacts & { provider: ProviderName; modelsRefreshedAt: Date | null },
  probe: Probe,
  by: 'person' | 'server',
): HealthFacts {
  const { health, healthReason, rateLimitedUntil, models } = probe;
  if (health === 'UNVERIFIED' && models === null && before.health !== 'UNVERIFIED') return before;
  const isAccepted = health === 'ACTIVE' || models !== null;
  if (by === 'server' && isAccepted && before.health === 'EXHAUSTED') {
    if (!CHECK_TELLS_CREDIT.has(before.provider)) return before;
  }
  if (models === null && health === 'ACTIVE') {
    const isUnlisted = before.health === 'UNVERIFIED' || before.modelsRefreshedAt === null;
    if (isUnlisted) return healthAfterFirstCheck(probe);
    if (by === 'server' && passes(healthReason)) return { health, healthReason: null, rateLimitedUntil };
  }
  return { health, healthReason, rateLimitedUntil };
}

/** What an answer tells about the key that paid for it; undefined for nothing. `code` is what it failed with, null if it did not. */
export function healthAfterAnswer(
  code: AnswerErrorCode | null,
  retryAt: Date | null,
  now: Date,
): Partial<HealthFacts> | undefined {
  switch (code) {
    case null:
      return { health: 'ACTIVE', healthReason: null, rateLimitedUntil: null };
    case 'INVALID_KEY':
      return { health: 'INVALID', healthReason: code };
    case 'KEY_EXPIRED':
      return { health: 'EXPIRED', healthReason: code };
    case 'QUOTA_EXCEEDED':
      return { health: 'EXHAUSTED', healthReason: code };
    case 'RATE_LIMITED':
      return { rateLimitedUntil: limitEnd(retryAt, now) };
    default:
      return undefined;
  }
}

/** Until when a key is taken for limited, where the provider may not have said. */
export function limitEnd(retryAt: Date | null, now: Date): Date {
  return retryAt ?? new Date(now.getTime() + UNTOLD_LIMIT_MS);
}

/** Whether those who see the key would see no difference. That a rate limit only moves its end is none. */
export function looksTheSame(before: HealthFacts, after: HealthFacts, now: Date): boolean {
  const isLimited = ({ rateLimitedUntil }: HealthFacts) =>
    rateLimitedUntil !== null && rateLimitedUntil > now;
  return (
    before.health === after.health &&
    before.healthReason === after.healthReason &&
    isLimited(before) === isLimited(after)
  );
}

/** Whether a check brought no result that lasts: it is worth another one soon. */
export function isInconclusive({ health, healthReason, models }: Probe): boolean {
  return health === 'UNVERIFIED' || (models === null && passes(healthReason));
}

/** When the server checks a key by itself again. `inconclusive` counts the checks in a row that brought no result. */
export function nextRecheckAt(
  { health, provider }: { health: KeyHealth; provider: ProviderName },
  now: Date,
  inconclusive: number,
): Date {
  return new Date(now.getTime() + intervalMs(health, provider, inconclusive));
}

function intervalMs(health: KeyHealth, provider: ProviderName, inconclusive: number): number {
  if (inconclusive > 0) return (BACKOFF_MINUTES[inconclusive - 1] ?? LONGEST_BACKOFF_MINUTES) * MINUTE_MS;
  if (health === 'EXHAUSTED' && CHECK_TELLS_CREDIT.has(provider)) return HOUR_MS;
  // Keys that came at the same time are not all due at the same time.
  return DAY_MS * (0.9 + 0.2 * Math.random());
}

/** Whether a reason is one that goes away by itself. */
function passes(reason: string | null): boolean {
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
const BACKOFF_MINUTES = [1, 5, 15]; // most outages are short
const LONGEST_BACKOFF_MINUTES = 60;
const UNTOLD_LIMIT_MS = MINUTE_MS; // providers count requests by the minute
