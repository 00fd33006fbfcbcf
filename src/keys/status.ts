import { ANSWER_ERRORS, type AnswerErrorCode } from '../answer-error.ts';
import type { ProviderName } from '../providers/provider.ts';
import { type Plan, planAllowsKeys } from '../workspaces/plan.ts';

/** Status of a key, the same everywhere it is shown. The first that applies, in this order. */
export const KEY_STATUSES = [
  'NEEDS_REENTRY',
  'SUSPENDED',
  'DISABLED',
  'EXPIRED',
  'INVALID',
  'EXHAUSTED',
  'RATE_LIMITED',
  'UNVERIFIED',
  'ACTIVE',
] as const;

export type KeyStatus = (typeof KEY_STATUSES)[number];

/**
 * Derives a key's status from separate facts, each with its own writer. Nothing stores the result: a downgrade, a passing
 * minute or a switch changes it without writing to the key's row.
 */
export function keyStatus(facts: KeyFacts, now: Date): KeyStatus {
  if (facts.needsReentry) return 'NEEDS_REENTRY';
  if (!facts.planAllowsKeys) return 'SUSPENDED';
  if (!facts.isEnabled) return 'DISABLED';
  if (facts.expiresAt !== null && facts.expiresAt <= now) return 'EXPIRED';
  if (facts.health === 'EXPIRED') return 'EXPIRED';
  if (facts.health === 'INVALID') return 'INVALID';
  if (facts.health === 'EXHAUSTED') return 'EXHAUSTED';
  if (facts.rateLimitedUntil !== null && facts.rateLimitedUntil > now) return 'RATE_LIMITED';
  return facts.health;
}

/** The status of a stored key on the plan of its payer. */
export function statusOnPlan(
  key: Omit<KeyFacts, 'planAllowsKeys'> & { teamId: string | null },
  plan: Plan,
  now: Date,
): KeyStatus {
  const whose = key.teamId === null ? 'workspace' : 'team';
  return keyStatus({ ...key, planAllowsKeys: planAllowsKeys(plan, whose) }, now);
}

/**
 * Whether a key of this status may pay for an answer. EXHAUSTED and RATE_LIMITED keys may: no provider tells when credit
 * was added or a limit lifted, so only trying shows it. INVALID and EXPIRED keys may not: every try would
 * be refused, and a check by a person who manages the key brings it back.
 */
export function isUsable(status: KeyStatus): boolean {
  switch (status) {
    case 'ACTIVE':
    case 'UNVERIFIED':
    case 'RATE_LIMITED':
    case 'EXHAUSTED':
      return true;
    case 'NEEDS_REENTRY':
    case 'SUSPENDED':
    case 'DISABLED':
    case 'EXPIRED':
    case 'INVALID':
      return false;
    default:
      return status satisfies never;
  }
}

/** Why a key has its status and what to do, in words for its managers; null when there is nothing to do. */
export function statusMessage(
  {
    status,
    healthReason,
    provider,
  }: { status: KeyStatus; healthReason: AnswerErrorCode | null; provider: ProviderName },
  providerTitle: string,
): string | null {
  switch (status) {
    case 'NEEDS_REENTRY':
      return 'The stored secret of this key is lost. Enter it again.';
    case 'SUSPENDED':
      return ANSWER_ERRORS.PLAN_REQUIRED.sentence(providerTitle);
    case 'DISABLED':
      return 'This key is switched off. Switch it on to use it again.';
    case 'RATE_LIMITED':
      return ANSWER_ERRORS.RATE_LIMITED.sentence(providerTitle);
    case 'EXPIRED':
      if (healthReason === 'KEY_EXPIRED') return ANSWER_ERRORS.KEY_EXPIRED.sentence(providerTitle);
      return 'The expiry date set for this key has passed. Set a later one to use it again.';
    case 'ACTIVE': // with a reason if its models could not be listed
      if (healthReason === 'RATE_LIMITED') return null; // that is over, or this would not be its status
      return reasonMessage(healthReason, provider, providerTitle);
    case 'INVALID':
    case 'EXHAUSTED':
    case 'UNVERIFIED':
      return reasonMessage(healthReason, provider, providerTitle);
    default:
      return status satisfies never;
  }
}

/** What else may be behind a provider's refusal, for its managers; null where the code says it all. */
export function adviceFor(provider: ProviderName, code: AnswerErrorCode): string | null {
  // A path that leads nowhere is answered with "not found", a web page, or anything else.
  if (provider === 'CUSTOM' && NAMES_BASE_URL.has(code))
    return code === 'BAD_REQUEST'
      ? 'The base URL of most servers ends in /v1.' // its own sentence says already that it is to be checked
      : 'Check that the base URL is right: that of most servers ends in /v1.';
  // Documented for exhausted credits.
  if (provider === 'PERPLEXITY' && code === 'INVALID_KEY')
    return 'Perplexity says the same of an account without credit.';
  return null;
}

/** What the provider last said about a key. UNVERIFIED: nothing yet that could be told. */
export const KEY_HEALTHS = ['UNVERIFIED', 'ACTIVE', 'INVALID', 'EXPIRED', 'EXHAUSTED'] as const;

export type KeyHealth = (typeof KEY_HEALTHS)[number];

export interface KeyFacts {
  /** The sealed secret is gone for good, e.g. with a lost root key, and has to be pasted again. */
  needsReentry: boolean;
  /** Whether the plan of the key's payer includes keys of this scope. */
  planAllowsKeys: boolean;
  isEnabled: boolean;
  /** Until when its tenant wants it used, the moment itself excluded; null for no end. */
  expiresAt: Date | null;
  health: KeyHealth;
  /** Until when the provider refuses it for being asked too often, the moment itself excluded; null for not at all. */
  rateLimitedUntil: Date | null;
}

function reasonMessage(
  healthReason: AnswerErrorCode | null,
  provider: ProviderName,
  providerTitle: string,
): string | null {
  if (healthReason === null) return null;
  return [ANSWER_ERRORS[healthReason].sentence(providerTitle), adviceFor(provider, healthReason)]
    .filter((sentence) => sentence !== null)
    .join(' ');
}

const NAMES_BASE_URL: ReadonlySet<AnswerErrorCode> = new Set(['BAD_REQUEST', 'PROVIDER_ERROR', 'NO_MODELS']);
