import { ANSWER_ERRORS, type AnswerErrorCode } from '../answer-error.ts';
import type { ProviderName } from '../providers/provider.ts';
import { adviceFor } from './advice.ts';
import type { ApiKey } from './api-key.ts';

/** Why a key stands as it does and what to do, in words for whoever manages it; null when there is nothing to do. */
export function statusMessage(
  { status, healthReason, provider }: Pick<ApiKey, 'status' | 'healthReason' | 'provider'>,
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
