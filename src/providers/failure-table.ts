import type { ProviderFailureCode } from './failure.ts';
import type { ProviderName } from './provider.ts';

/** One line of what providers mean by their errors: if everything that the row names is true, its code is. */
export interface FailureRow {
  providers: readonly ProviderName[] | 'any';
  /** HTTP statuses, single or as an inclusive range; absent for every status. */
  statuses?: readonly (number | readonly [first: number, last: number])[];
  /** Must be found in the error's type, code or message: one per line, message last (see ErrorDescription). */
  says?: RegExp;
  /** Must not be found there. */
  unless?: RegExp;
  code: ProviderFailureCode;
}

// Gaps in these expressions are bounded (`.{0,100}`, never `.*`): a provider's text must not cost quadratic time.
const CONTEXT =
  /prompt is too long|prompt_too_long|maximum (context|prompt) length|context[_ ]length[_ ]exceeded|context window|input token count .{0,100}exceeds|too large for model with|exceeds? context limit|exceeds the available context size|exceed_context_size|greater than the context length|reduce the length of the (messages|prompt)/i;
const MODEL_IS_GONE =
  /\bmodels?\b.{0,100}\b(deprecated|retired|decommissioned|shut ?down|no longer (available|supported))/i;

/**
 * What every provider means by its errors; the first row that fits wins. Quota and context stand before statuses, because
 * providers send them with the status of something else; rows for any provider come last.
 * Sources: the providers' API references and official SDKs, and recorded responses, November 2026.
 */
export const FAILURE_ROWS: readonly FailureRow[] = [
  { providers: 'any', statuses: [[400, 499]], says: CONTEXT, code: 'CONTEXT_TOO_LONG' },

  {
    providers: ['OPENAI'],
    statuses: [400, 402, 403, 429],
    says: /insufficient_quota|credit_balance_exhausted|_(spend|usage)_limit_exceeded|billing_(not_active|hard_limit)|access_terminated/i,
    code: 'QUOTA_EXCEEDED',
  },
  // Counted against a limit per minute, yet waiting never helps: the request alone is larger than the limit.
  { providers: ['OPENAI'], statuses: [429], says: /request too large/i, code: 'CONTEXT_TOO_LONG' },
  {
    providers: ['OPENAI'],
    statuses: [401],
    says: /member of an organization|\bIP\b.{0,100}not authorized|missing scopes/i,
    code: 'KEY_LACKS_PERMISSION',
  },
  {
    providers: ['OPENAI'],
    statuses: [403, 404],
    says: /model_not_found|not a chat model/i,
    code: 'MODEL_NOT_FOUND',
  },
  {
    providers: ['OPENAI'],
    statuses: [400],
    says: /content_filter|invalid_prompt|_policy/i,
    code: 'CONTENT_FILTERED',
  },
  { providers: ['OPENAI'], says: /overloaded/i, code: 'PROVIDER_OVERLOADED' },

  {
    providers: ['ANTHROPIC'],
    statuses: [400],
    says: /credit balance is too low|API usage limits/i,
    code: 'QUOTA_EXCEEDED',
  },
  {
    providers: ['ANTHROPIC'],
    statuses: [429],
    says: /enforced_spend_limit_reached/i,
    code: 'QUOTA_EXCEEDED',
  },
  {
    providers: ['ANTHROPIC'],
    statuses: [400, 403],
    says: /organization has been disabled/i,
    code: 'INVALID_KEY',
  },
  { providers: ['ANTHROPIC'], statuses: [404], says: /^model:/im, code: 'MODEL_NOT_FOUND' },
  { providers: ['ANTHROPIC'], says: /overloaded_error/i, code: 'PROVIDER_OVERLOADED' },
  { providers: ['ANTHROPIC'], statuses: [400], says: /content filtering policy/i, code: 'CONTENT_FILTERED' },

  {
    providers: ['GEMINI'],
    statuses: [402, 429],
    says: /credits are depleted|PerDay|limit: 0(?![.\d])/i,
    code: 'QUOTA_EXCEEDED',
  },
  { providers: ['GEMINI'], statuses: [400], says: /API key expired/i, code: 'KEY_EXPIRED' },
  {
    providers: ['GEMINI'],
    statuses: [400],
    says: /API_KEY_INVALID|API key not (valid|found)/i,
    code: 'INVALID_KEY',
  },
  {
    providers: ['GEMINI'],
    statuses: [403],
    says: /reported as leaked|unregistered callers/i,
    code: 'INVALID_KEY',
  },
  { providers: ['GEMINI'], statuses: [400], says: /\bbilling\b/i, code: 'QUOTA_EXCEEDED' },
  {
    providers: ['GEMINI'],
    statuses: [400],
    says: /FAILED_PRECONDITION/,
    code: 'KEY_LACKS_PERMISSION',
  },
  { providers: ['GEMINI'], statuses: [404], says: /no longer available/i, code: 'MODEL_UNAVAILABLE' },
  { providers: ['GEMINI'], statuses: [404], code: 'MODEL_NOT_FOUND' },

  { providers: ['MISTRAL'], statuses: [400, 404], says: /invalid_model|^1500$/im, code: 'MODEL_NOT_FOUND' },
  { providers: ['MISTRAL'], statuses: [429], says: /^3505$|capacity/im, code: 'PROVIDER_OVERLOADED' },

  // The retired chat endpoint answers valid keys with 403. Our mistake then, never the key's.
  {
    providers: ['PERPLEXITY'],
    statuses: [403],
    says: /chat_completions_not_available|agent_api_migration_required/i,
    code: 'PROVIDER_ERROR',
  },
  {
    providers: ['PERPLEXITY'],
    statuses: [401, 402, 403],
    says: /credit|quota|balance|billing|payment/i,
    code: 'QUOTA_EXCEEDED',
  },
  {
    providers: ['PERPLEXITY'],
    statuses: [400],
    says: /invalid_model|\bmodel\b.{0,100}is not supported/i,
    code: 'MODEL_NOT_FOUND',
  },

  // xAI answers a wrong key with 400.
  {
    providers: ['XAI'],
    statuses: [400, 401, 403],
    says: /incorrect API key|^unauthenticated|could not be validated/im,
    code: 'INVALID_KEY',
  },
  {
    providers: ['XAI'],
    statuses: [403, 429],
    says: /credits|spending limit|licenses/i,
    code: 'QUOTA_EXCEEDED',
  },
  {
    providers: ['XAI'],
    statuses: [400, 403],
    says: /violates usage guidelines|SAFETY_CHECK_TYPE/i,
    code: 'CONTENT_FILTERED',
  },
  { providers: ['XAI'], statuses: [400], says: /model not found/i, code: 'MODEL_NOT_FOUND' },
  { providers: ['XAI'], statuses: [404], code: 'MODEL_NOT_FOUND' },
  {
    providers: ['XAI'],
    statuses: [421],
    code: 'KEY_LACKS_PERMISSION',
  },

  { providers: ['NOVITA'], statuses: [403], says: /INVALID_API_KEY/i, code: 'INVALID_KEY' },
  { providers: ['NOVITA'], statuses: [403], says: /balance/i, code: 'QUOTA_EXCEEDED' },
  { providers: ['NOVITA'], statuses: [404], says: /MODEL_NOT_FOUND/i, code: 'MODEL_NOT_FOUND' },

  {
    providers: ['CUSTOM'],
    statuses: [400, 404],
    says: /not loaded|model_not_available|no endpoints/i,
    code: 'MODEL_UNAVAILABLE',
  },
  { providers: ['CUSTOM'], statuses: [404], says: /model/i, unless: MODEL_IS_GONE, code: 'MODEL_NOT_FOUND' },

  // These speak of quotas in their own codes (above); in their texts the word also means the limit per minute.
  {
    providers: ['OPENAI', 'ANTHROPIC', 'GEMINI', 'MISTRAL', 'PERPLEXITY', 'XAI', 'NOVITA'],
    statuses: [429],
    code: 'RATE_LIMITED',
  },

  { providers: 'any', statuses: [401], code: 'INVALID_KEY' },
  { providers: 'any', statuses: [402], code: 'QUOTA_EXCEEDED' },
  { providers: 'any', statuses: [403], code: 'KEY_LACKS_PERMISSION' },
  { providers: 'any', statuses: [410], code: 'MODEL_UNAVAILABLE' },
  { providers: 'any', statuses: [400, 404], says: MODEL_IS_GONE, code: 'MODEL_UNAVAILABLE' },
  {
    providers: 'any',
    statuses: [404],
    code: 'PROVIDER_ERROR',
  },
  { providers: 'any', statuses: [408, 504, 524], code: 'TIMEOUT' },
  {
    providers: 'any',
    statuses: [429],
    says: /quota|credit|billing|balance/i,
    unless: /\brates?\b|rate_|per[ _-]?minute/i,
    code: 'QUOTA_EXCEEDED',
  },
  { providers: 'any', statuses: [429], code: 'RATE_LIMITED' },
  { providers: 'any', statuses: [[400, 499]], code: 'BAD_REQUEST' },
  { providers: 'any', statuses: [502, 503, 529, [520, 523]], code: 'PROVIDER_OVERLOADED' },
  {
    providers: 'any',
    statuses: [[500, 599]],
    says: /overloaded|at capacity|out_of_capacity/i,
    code: 'PROVIDER_OVERLOADED',
  },
  { providers: 'any', code: 'PROVIDER_ERROR' },
];

/** The first row that fits. `evidence` is an ErrorDescription's. */
export function findFailureRow(provider: ProviderName, status: number, evidence: string): FailureRow {
  const row = FAILURE_ROWS.find(
    ({ providers, statuses, says, unless }) =>
      (providers === 'any' || providers.includes(provider)) &&
      (statuses === undefined || statuses.some((entry) => includesStatus(entry, status))) &&
      (says === undefined || says.test(evidence)) &&
      !unless?.test(evidence),
  );
  if (row === undefined) throw new Error('The last row of the failure table must fit everything.');
  return row;
}

function includesStatus(entry: number | readonly [number, number], status: number): boolean {
  return typeof entry === 'number' ? entry === status : status >= entry[0] && status <= entry[1];
}
