import { ANSWER_ERRORS, type AnswerErrorCode } from '../answer-error.ts';
import type { Plan } from '../plans-and-roles.ts';
import type { ProviderName } from '../providers/provider.ts';
import { planAllowsKeys } from '../workspaces/plan.ts';

/** Status of a key: the first in this order that applies. */
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
 * Derives a key's status from separate facts, each with its own writer. The result is never stored: a downgrade or the passing
 * of time changes it without a write to the key's row.
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
 * Whether a key of this status may pay for an answer. EXHAUSTED and RATE_LIMITED keys may: no provider announces that credit
 * was added or a rate limit ended, so only trying shows it. INVALID and EXPIRED keys may not: every try would be refused, and
 * a check by a manager of the key makes it usable again.
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
      if (healthReason === 'RATE_LIMITED') return null; // the limit has ended, or the status would be RATE_LIMITED
      return reasonMessage(healthReason, provider, providerTitle);
    case 'INVALID':
    case 'EXHAUSTED':
    case 'UNVERIFIED':
      return reasonMessage(healthReason, provider, providerTitle);
    default:
      return status satisfies never;
  }
}

/** A further sentence on a provider's refusal, for the key's managers; null where the code's own sentence is enough. */
export function adviceFor(provider: ProviderName, code: AnswerErrorCode): string | null {
  // Servers answer a wrong path with "not found", a web page, or anything else.
  if (provider === 'CUSTOM' && NAMES_BASE_URL.has(code))
    return code === 'BAD_REQUEST'
      ? 'The base URL of most servers ends in /v1.' // the code's sentence says already to check it
      : 'Check that the base URL is right: that of most servers ends in /v1.';
  // Perplexity documents 401 for exhausted credits too.
  if (provider === 'PERPLEXITY' && code === 'INVALID_KEY')
    return 'Perplexity says the same of an account without credit.';
  return null;
}

/** The provider's last verdict on a key. UNVERIFIED: none yet. */
export const KEY_HEALTHS = ['UNVERIFIED', 'ACTIVE', 'INVALID', 'EXPIRED', 'EXHAUSTED'] as const;

export type KeyHealth = (typeof KEY_HEALTHS)[number];

export interface KeyFacts {
  /** The sealed secret is gone for good, e.g. with a lost root key, and has to be pasted again. */
  needsReentry: boolean;
  /** Whether the plan of the key's payer includes keys of this scope. */
  planAllowsKeys: boolean;
  isEnabled: boolean;
  /** Expiry date that a manager set, itself excluded; null for none. */
  expiresAt: Date | null;
  health: KeyHealth;
  /** When the provider's rate limit ends, itself excluded; null for no rate limit. */
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
