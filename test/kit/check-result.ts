import type { CheckResult } from '../../src/keys/health.ts';

/** What a provider says of a key that works. */
export const ACCEPTED: CheckResult = {
  health: 'ACTIVE',
  healthReason: null,
  rateLimitedUntil: null,
  refusal: null,
  models: [],
};

/** What it says of one that it does not accept. */
export const REFUSED: CheckResult = {
  ...ACCEPTED,
  health: 'INVALID',
  healthReason: 'INVALID_KEY',
  refusal: 'explicit',
};
