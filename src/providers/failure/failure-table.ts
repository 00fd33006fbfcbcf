import type { ErrorCode } from '../../errors.ts';
import type { ProviderName } from '../provider.ts';
import type { ErrorDescription } from './error-body.ts';
import {
  CONTENT_REFUSED,
  KEY_HAS_EXPIRED,
  LARGER_THAN_LIMIT,
  MODEL_IS_GONE,
  NAMES_A_MODEL,
  NO_PERMISSION,
  NO_SUCH_MODEL,
  NO_SUCH_PATH,
  OUT_OF_CREDIT,
  OVERLOADED,
  PER_TIME,
  TOO_LONG,
  TOO_MANY_TOKENS,
  WRONG_KEY,
} from './failure-words.ts';

/** The codes of failed provider calls. */
export const PROVIDER_FAILURE_CODES = [
  'INVALID_KEY',
  'KEY_EXPIRED',
  'KEY_LACKS_PERMISSION',
  'MODEL_NOT_FOUND',
  'MODEL_UNAVAILABLE',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'CONTEXT_TOO_LONG',
  'CONTENT_FILTERED',
  'BAD_REQUEST',
  'PROVIDER_OVERLOADED',
  'PROVIDER_ERROR',
  'NETWORK',
  'TIMEOUT',
  'STREAM_CUT',
  'OUTPUT_TOO_LARGE',
  'EMPTY_ANSWER',
  'FILE_UNREADABLE',
] as const satisfies readonly ErrorCode[];

export type ProviderFailureCode = (typeof PROVIDER_FAILURE_CODES)[number];

/** One row of the failure table: if all of its conditions hold, the error has its code. */
export interface FailureRow {
  providers: readonly ProviderName[] | 'any';
  /** HTTP statuses, single or as an inclusive range; absent for every status. */
  statuses?: readonly (number | readonly [first: number, last: number])[];
  /** Must be found in the error's type, code or message: one per line, message last (see ErrorDescription). */
  says?: RegExp;
  /** Must not be found there. */
  unless?: RegExp;
  /** The body must be a web page, which usually comes from a proxy on the way to the provider. */
  isPage?: true;
  code: ProviderFailureCode;
}

// An error inside a stream that names no status counts as 500.
const CONTENT_STATUSES = [400, 403, 422, 451, 500] as const;
const MODEL_STATUSES = [400, 401, 403, 404, 410, 422, 500] as const;

/**
 * Meanings of the providers' errors; the first matching row wins. Rows by words come before rows by status, because providers
 * send the words with other statuses, and the words of one provider come after those that mean the same everywhere.
 * Sources: the providers' API references and official SDKs, recorded responses, and public reports, November 2026.
 */
export const FAILURE_ROWS: readonly FailureRow[] = [
  { providers: 'any', statuses: [[400, 599]], says: TOO_LONG, code: 'CONTEXT_TOO_LONG' },
  {
    providers: 'any',
    statuses: [[400, 599]],
    says: TOO_MANY_TOKENS,
    unless: PER_TIME,
    code: 'CONTEXT_TOO_LONG',
  },
  { providers: 'any', statuses: [413, 429], says: LARGER_THAN_LIMIT, code: 'CONTEXT_TOO_LONG' },
  // Alibaba's word for the limit per minute, also where its text mentions a quota.
  { providers: 'any', says: /^throttling\b/im, code: 'RATE_LIMITED' },
  { providers: 'any', says: OUT_OF_CREDIT, code: 'QUOTA_EXCEEDED' },
  { providers: 'any', statuses: CONTENT_STATUSES, says: CONTENT_REFUSED, code: 'CONTENT_FILTERED' },
  { providers: 'any', statuses: MODEL_STATUSES, says: /must be verified/i, code: 'KEY_LACKS_PERMISSION' },
  { providers: 'any', statuses: [400, 401, 403], says: KEY_HAS_EXPIRED, code: 'KEY_EXPIRED' },
  { providers: 'any', statuses: [400, 401, 403], says: WRONG_KEY, code: 'INVALID_KEY' },
  { providers: 'any', statuses: MODEL_STATUSES, says: MODEL_IS_GONE, code: 'MODEL_UNAVAILABLE' },
  {
    providers: 'any',
    statuses: [400, 404],
    says: /not loaded|model_not_available|no endpoints/i,
    code: 'MODEL_UNAVAILABLE',
  },
  { providers: 'any', statuses: MODEL_STATUSES, says: NO_SUCH_MODEL, code: 'MODEL_NOT_FOUND' },
  { providers: 'any', statuses: [429, [500, 599]], says: OVERLOADED, code: 'PROVIDER_OVERLOADED' },

  {
    providers: ['OPENAI'],
    statuses: [401],
    says: /member of an organization|\bIP\b.{0,100}not authorized/i,
    code: 'KEY_LACKS_PERMISSION',
  },
  { providers: ['OPENAI', 'CUSTOM'], statuses: [400], says: /_policy/i, code: 'CONTENT_FILTERED' },

  {
    providers: ['ANTHROPIC'],
    statuses: [400, 403],
    says: /organization has been disabled/i,
    code: 'INVALID_KEY',
  },
  { providers: ['ANTHROPIC'], statuses: [401], says: /authentication_error/i, code: 'INVALID_KEY' },

  {
    providers: ['GEMINI'],
    statuses: [429],
    says: /PerDay|limit: 0(?![.\d])/i,
    code: 'QUOTA_EXCEEDED',
  },
  { providers: ['GEMINI'], statuses: [401], says: /UNAUTHENTICATED/, code: 'INVALID_KEY' },
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

  { providers: ['MISTRAL'], statuses: [403], says: /subscription|\btier\b/i, code: 'KEY_LACKS_PERMISSION' },

  // The retired chat endpoint answers valid keys with 403: a bug here, not a fault of the key.
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
    says: /\bmodel\b.{0,100}is not supported/i,
    code: 'MODEL_NOT_FOUND',
  },
  // The page with which its edge answers wrong keys.
  { providers: ['PERPLEXITY'], statuses: [401], isPage: true, code: 'INVALID_KEY' },

  {
    providers: ['XAI'],
    statuses: [400, 401, 403],
    says: /^unauthenticated|could not be validated/im,
    code: 'INVALID_KEY',
  },
  {
    providers: ['XAI'],
    statuses: [403, 429],
    says: /credits|spending limit/i,
    unless: PER_TIME,
    code: 'QUOTA_EXCEEDED',
  },
  { providers: ['XAI'], statuses: [421], code: 'KEY_LACKS_PERMISSION' },

  {
    providers: ['NOVITA'],
    statuses: [401, 403],
    says: /FAILED_TO_AUTH|key not found/i,
    code: 'INVALID_KEY',
  },

  {
    providers: ['CUSTOM'],
    statuses: [401],
    says: /\b(invalid|incorrect|unknown|wrong|expired|revoked)\b.{0,40}\b(keys?|tokens?|credentials?|password)\b|(user|token) not found|unable to find token|no such user/i,
    code: 'INVALID_KEY',
  },
  // Other providers have codes of their own for quotas (above); in their texts the word also means the limit per minute.
  {
    providers: ['CUSTOM'],
    statuses: [429],
    says: /quota|credit|billing|balance/i,
    unless: /\brates?\b|rate_|per[ _-]?minute/i,
    code: 'QUOTA_EXCEEDED',
  },

  // A challenge or sign-in page in front of the provider says nothing about the key: the provider was not reached.
  { providers: 'any', statuses: [401, 403, 407], isPage: true, code: 'NETWORK' },
  { providers: 'any', statuses: [407], code: 'NETWORK' },
  { providers: 'any', statuses: [429], isPage: true, code: 'PROVIDER_OVERLOADED' },

  { providers: 'any', statuses: [401, 403], says: NO_PERMISSION, code: 'KEY_LACKS_PERMISSION' },
  { providers: 'any', statuses: [401], code: 'INVALID_KEY' },
  { providers: 'any', statuses: [402], code: 'QUOTA_EXCEEDED' },
  { providers: 'any', statuses: [403], code: 'KEY_LACKS_PERMISSION' },
  { providers: 'any', statuses: [404], says: NAMES_A_MODEL, code: 'MODEL_NOT_FOUND' },
  { providers: 'any', statuses: [410], code: 'MODEL_UNAVAILABLE' },
  { providers: 'any', statuses: [408, 504, 524], code: 'TIMEOUT' },
  { providers: 'any', statuses: [429], code: 'RATE_LIMITED' },
  // A redirect means a wrong address, like a path that does not exist.
  { providers: 'any', statuses: [[300, 499]], code: 'BAD_REQUEST' },
  { providers: 'any', says: NO_SUCH_PATH, code: 'BAD_REQUEST' },
  { providers: 'any', statuses: [502, 503, 529, [520, 523]], code: 'PROVIDER_OVERLOADED' },
  { providers: 'any', code: 'PROVIDER_ERROR' },
];

/** The first matching row. */
export function findFailureRow(
  provider: ProviderName,
  status: number,
  { evidence, isPage: cameAsPage }: Pick<ErrorDescription, 'evidence' | 'isPage'>,
): FailureRow {
  const row = FAILURE_ROWS.find(
    ({ providers, statuses, says, unless, isPage }) =>
      (providers === 'any' || providers.includes(provider)) &&
      (statuses === undefined || statuses.some((entry) => includesStatus(entry, status))) &&
      (isPage === undefined || cameAsPage) &&
      (says === undefined || says.test(evidence)) &&
      !unless?.test(evidence),
  );
  if (row === undefined) throw new Error('The last row of the failure table must fit everything.');
  return row;
}

function includesStatus(entry: number | readonly [number, number], status: number): boolean {
  return typeof entry === 'number' ? entry === status : status >= entry[0] && status <= entry[1];
}
