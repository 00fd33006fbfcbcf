import type { AnswerErrorCode } from '../answer-error.ts';
import type { ProviderName } from '../providers/provider.ts';

/** What else may be behind a provider's refusal, for whoever manages the key; null where the code says it all. */
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

const NAMES_BASE_URL: ReadonlySet<AnswerErrorCode> = new Set(['BAD_REQUEST', 'PROVIDER_ERROR', 'NO_MODELS']);
