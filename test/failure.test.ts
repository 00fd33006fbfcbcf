import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeErrorBody } from '../src/providers/failure/error-body.ts';
import {
  classifyFailure,
  classifyNetworkError,
  classifyStreamError,
  ProviderError,
} from '../src/providers/failure/failure.ts';
import {
  FAILURE_ROWS,
  findFailureRow,
  PROVIDER_FAILURE_CODES,
  type ProviderFailureCode,
} from '../src/providers/failure/failure-table.ts';
import { redact } from '../src/providers/failure/redact.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { say } from './kit/say.ts';

type Case = [provider: ProviderName, status: number, body: string | object, code: ProviderFailureCode];

const openai = (type: string | null, code: string | null, message: string) => ({
  error: { message, type, param: null, code },
});
const anthropic = (type: string, message: string, details: object | null = null) => ({
  type: 'error',
  error: { type, message, details },
  request_id: 'req_1',
});
const gemini = (code: number, status: string, message: string, details: object[] = []) => ({
  error: { code, message, status, details },
});
const geminiReason = (reason: string) => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason });
const geminiQuota = (quotaId: string) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: [{ quotaId }],
});
const mistral = (type: string, code: string | null, message: string | object) => ({
  object: 'error',
  message,
  type,
  param: null,
  code,
});
const xai = (code: string, error: string) => ({ code, error });
const novita = (code: number, reason: string, message: string) => ({ code, reason, message, metadata: {} });

const QUOTA_TEXT = 'You exceeded your current quota, please check your plan and billing details.';
const NO_MODEL_TEXT = 'The model `x` does not exist or you do not have access to it.';

/** What providers are known to answer, and what it means. */
const CASES: Case[] = [
  [
    'OPENAI',
    401,
    openai('invalid_request_error', 'invalid_api_key', 'Incorrect API key provided: sk-abc***.'),
    'INVALID_KEY',
  ],
  ['OPENAI', 401, openai('invalid_request_error', 'account_deactivated', 'Deactivated.'), 'INVALID_KEY'],
  [
    'OPENAI',
    401,
    openai(null, null, 'You must be a member of an organization to use the API'),
    'KEY_LACKS_PERMISSION',
  ],
  ['OPENAI', 401, openai(null, null, 'Your IP address 1.2.3.4 is not authorized.'), 'KEY_LACKS_PERMISSION'],
  [
    'OPENAI',
    403,
    openai(null, null, 'You have insufficient permissions. Missing scopes: model.read'),
    'KEY_LACKS_PERMISSION',
  ],
  [
    'OPENAI',
    403,
    openai('request_forbidden', 'unsupported_country_region_territory', 'Country.'),
    'KEY_LACKS_PERMISSION',
  ],
  [
    'OPENAI',
    403,
    openai('invalid_request_error', 'model_not_found', 'Project has no access.'),
    'MODEL_NOT_FOUND',
  ],
  ['OPENAI', 404, openai('invalid_request_error', 'model_not_found', NO_MODEL_TEXT), 'MODEL_NOT_FOUND'],
  [
    'OPENAI',
    404,
    openai('invalid_request_error', null, 'This is not a chat model and thus not supported.'),
    'MODEL_NOT_FOUND',
  ],
  ['OPENAI', 429, openai('insufficient_quota', 'insufficient_quota', QUOTA_TEXT), 'QUOTA_EXCEEDED'],
  ['OPENAI', 429, openai('insufficient_quota', 'credit_balance_exhausted', 'No credits.'), 'QUOTA_EXCEEDED'],
  ['OPENAI', 429, openai(null, 'organization_spend_limit_exceeded', 'Spend.'), 'QUOTA_EXCEEDED'],
  ['OPENAI', 400, openai(null, 'billing_hard_limit_reached', 'Billing.'), 'QUOTA_EXCEEDED'],
  [
    'OPENAI',
    429,
    openai('tokens', 'rate_limit_exceeded', 'Request too large for x on TPM: Limit 1, Requested 2.'),
    'CONTEXT_TOO_LONG',
  ],
  [
    'OPENAI',
    429,
    openai('requests', 'rate_limit_exceeded', 'Rate limit reached. Please try again in 20s.'),
    'RATE_LIMITED',
  ],
  ['OPENAI', 429, openai(null, 'slow_down', 'Slow down.'), 'RATE_LIMITED'],
  [
    'OPENAI',
    400,
    openai('invalid_request_error', 'context_length_exceeded', 'Too long.'),
    'CONTEXT_TOO_LONG',
  ],
  [
    'OPENAI',
    400,
    openai(null, null, 'Your input exceeds the context window of this model.'),
    'CONTEXT_TOO_LONG',
  ],
  ['OPENAI', 400, openai('invalid_request_error', 'content_policy_violation', 'No.'), 'CONTENT_FILTERED'],
  ['OPENAI', 400, openai('invalid_request_error', 'invalid_prompt', 'No.'), 'CONTENT_FILTERED'],
  [
    'OPENAI',
    400,
    openai(null, 'unsupported_parameter', "'max_tokens' is not supported with this model."),
    'BAD_REQUEST',
  ],
  [
    'OPENAI',
    404,
    openai('invalid_request_error', null, 'The model x has been deprecated.'),
    'MODEL_UNAVAILABLE',
  ],
  ['OPENAI', 429, openai('server_error', null, 'The engine is currently overloaded.'), 'PROVIDER_OVERLOADED'],
  [
    'OPENAI',
    503,
    openai('service_unavailable_error', 'server_is_overloaded', 'Later.'),
    'PROVIDER_OVERLOADED',
  ],
  ['OPENAI', 500, openai('server_error', null, 'The server had an error.'), 'PROVIDER_ERROR'],

  ['ANTHROPIC', 401, anthropic('authentication_error', 'invalid x-api-key'), 'INVALID_KEY'],
  ['ANTHROPIC', 402, anthropic('billing_error', 'Pay.'), 'QUOTA_EXCEEDED'],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'Your credit balance is too low to access the API.'),
    'QUOTA_EXCEEDED',
  ],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'You have reached your specified API usage limits.'),
    'QUOTA_EXCEEDED',
  ],
  [
    'ANTHROPIC',
    429,
    anthropic('rate_limit_error', 'Limit.', { error_code: 'enforced_spend_limit_reached' }),
    'QUOTA_EXCEEDED',
  ],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'This organization has been disabled.'),
    'INVALID_KEY',
  ],
  ['ANTHROPIC', 403, anthropic('permission_error', 'This organization has been disabled.'), 'INVALID_KEY'],
  ['ANTHROPIC', 403, anthropic('permission_error', 'No.'), 'KEY_LACKS_PERMISSION'],
  ['ANTHROPIC', 404, anthropic('not_found_error', 'model: claude-x'), 'MODEL_NOT_FOUND'],
  ['ANTHROPIC', 404, anthropic('not_found_error', 'Not Found'), 'BAD_REQUEST'],
  ['ANTHROPIC', 413, anthropic('request_too_large', 'Request exceeds the maximum size'), 'BAD_REQUEST'],
  ['ANTHROPIC', 429, anthropic('rate_limit_error', 'Rate limited.'), 'RATE_LIMITED'],
  ['ANTHROPIC', 529, anthropic('overloaded_error', 'Overloaded'), 'PROVIDER_OVERLOADED'],
  ['ANTHROPIC', 504, anthropic('timeout_error', 'Timed out'), 'TIMEOUT'],
  ['ANTHROPIC', 500, anthropic('api_error', 'Internal'), 'PROVIDER_ERROR'],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'Output blocked by content filtering policy'),
    'CONTENT_FILTERED',
  ],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'prompt is too long: 274468 tokens > 200000 maximum'),
    'CONTEXT_TOO_LONG',
  ],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', 'input length and `max_tokens` exceed context limit: 1'),
    'CONTEXT_TOO_LONG',
  ],
  [
    'ANTHROPIC',
    400,
    anthropic('invalid_request_error', '`temperature` is deprecated for this model.'),
    'BAD_REQUEST',
  ],

  [
    'GEMINI',
    400,
    gemini(400, 'INVALID_ARGUMENT', 'API key expired. Please renew the API key.', [
      geminiReason('API_KEY_INVALID'),
    ]),
    'KEY_EXPIRED',
  ],
  [
    'GEMINI',
    400,
    [gemini(400, 'INVALID_ARGUMENT', 'API key not valid.', [geminiReason('API_KEY_INVALID')])],
    'INVALID_KEY',
  ],
  ['GEMINI', 400, gemini(400, 'INVALID_ARGUMENT', 'API Key not found.'), 'INVALID_KEY'],
  [
    'GEMINI',
    401,
    gemini(401, 'UNAUTHENTICATED', 'Expected OAuth 2.', [geminiReason('ACCESS_TOKEN_TYPE_UNSUPPORTED')]),
    'INVALID_KEY',
  ],
  ['GEMINI', 403, gemini(403, 'PERMISSION_DENIED', 'Your API key was reported as leaked.'), 'INVALID_KEY'],
  [
    'GEMINI',
    403,
    gemini(403, 'PERMISSION_DENIED', "Method doesn't allow unregistered callers."),
    'INVALID_KEY',
  ],
  [
    'GEMINI',
    403,
    gemini(403, 'PERMISSION_DENIED', 'Blocked.', [geminiReason('API_KEY_SERVICE_BLOCKED')]),
    'KEY_LACKS_PERMISSION',
  ],
  [
    'GEMINI',
    400,
    gemini(400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.'),
    'KEY_LACKS_PERMISSION',
  ],
  [
    'GEMINI',
    400,
    gemini(400, 'FAILED_PRECONDITION', 'Free tier is not available. Please enable billing.'),
    'QUOTA_EXCEEDED',
  ],
  [
    'GEMINI',
    404,
    gemini(404, 'NOT_FOUND', 'models/x is no longer available to new users.'),
    'MODEL_UNAVAILABLE',
  ],
  [
    'GEMINI',
    404,
    gemini(404, 'NOT_FOUND', 'models/x is not found for API version v1beta'),
    'MODEL_NOT_FOUND',
  ],
  [
    'GEMINI',
    429,
    gemini(429, 'RESOURCE_EXHAUSTED', QUOTA_TEXT, [
      geminiQuota('GenerateRequestsPerMinutePerProjectPerModel'),
    ]),
    'RATE_LIMITED',
  ],
  [
    'GEMINI',
    429,
    gemini(429, 'RESOURCE_EXHAUSTED', QUOTA_TEXT, [geminiQuota('GenerateRequestsPerDayPerProjectPerModel')]),
    'QUOTA_EXCEEDED',
  ],
  [
    'GEMINI',
    429,
    gemini(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded for metric x, limit: 0, model: y'),
    'QUOTA_EXCEEDED',
  ],
  [
    'GEMINI',
    402,
    gemini(402, 'RESOURCE_EXHAUSTED', 'Your prepayment credits are depleted.'),
    'QUOTA_EXCEEDED',
  ],
  ['GEMINI', 503, gemini(503, 'UNAVAILABLE', 'The model is overloaded.'), 'PROVIDER_OVERLOADED'],
  ['GEMINI', 504, gemini(504, 'DEADLINE_EXCEEDED', 'Deadline.'), 'TIMEOUT'],
  [
    'GEMINI',
    400,
    gemini(
      400,
      'INVALID_ARGUMENT',
      'The input token count (2) exceeds the maximum number of tokens allowed (1).',
    ),
    'CONTEXT_TOO_LONG',
  ],

  ['MISTRAL', 401, { detail: 'Unauthorized' }, 'INVALID_KEY'],
  ['MISTRAL', 401, '', 'INVALID_KEY'],
  [
    'MISTRAL',
    402,
    mistral('billing_api_budget_exhausted', '2303', 'API budget exhausted.'),
    'QUOTA_EXCEEDED',
  ],
  ['MISTRAL', 403, { message: 'Tier.' }, 'KEY_LACKS_PERMISSION'],
  ['MISTRAL', 400, mistral('invalid_model', '1500', 'Invalid model: x'), 'MODEL_NOT_FOUND'],
  [
    'MISTRAL',
    429,
    mistral('service_tier_capacity_exceeded', '3505', 'Capacity exceeded.'),
    'PROVIDER_OVERLOADED',
  ],
  ['MISTRAL', 429, { message: 'Requests rate limit exceeded' }, 'RATE_LIMITED'],
  [
    'MISTRAL',
    400,
    mistral(
      'invalid_request_prompt_too_long',
      '3059',
      'Prompt contains 2 tokens, too large for model with 1 maximum context length',
    ),
    'CONTEXT_TOO_LONG',
  ],
  [
    'MISTRAL',
    422,
    mistral('invalid_request_error', null, {
      detail: [{ type: 'extra_forbidden', loc: ['body', 'x'], msg: 'Extra inputs' }],
    }),
    'BAD_REQUEST',
  ],

  [
    'PERPLEXITY',
    403,
    { error: { message: 'Sonar is now the Agent API.', type: 'chat_completions_not_available', code: 403 } },
    'PROVIDER_ERROR',
  ],
  [
    'PERPLEXITY',
    401,
    { error: { message: 'You have no credits left.', type: 'unauthorized', code: 401 } },
    'QUOTA_EXCEEDED',
  ],
  ['PERPLEXITY', 401, '<html><title>401 Authorization Required</title></html>', 'INVALID_KEY'],
  [
    'PERPLEXITY',
    403,
    { error: { message: 'Forbidden', type: 'forbidden', code: 403 } },
    'KEY_LACKS_PERMISSION',
  ],
  [
    'PERPLEXITY',
    400,
    { error: { message: 'model "x" is not supported', type: 'invalid_request', code: 400 } },
    'MODEL_NOT_FOUND',
  ],
  [
    'PERPLEXITY',
    400,
    { error: { message: 'json: unknown field "x"', type: 'invalid_request', code: 400 } },
    'BAD_REQUEST',
  ],
  [
    'PERPLEXITY',
    413,
    { error: { message: 'Too large', type: 'payload_too_large', code: 413 } },
    'BAD_REQUEST',
  ],
  [
    'PERPLEXITY',
    429,
    { error: { message: 'Rate', type: 'request_rate_limit_exceeded', code: 429 } },
    'RATE_LIMITED',
  ],

  ['XAI', 400, xai('invalid-argument', 'Incorrect API key provided: xa***.'), 'INVALID_KEY'],
  ['XAI', 401, xai('unauthenticated:no-credentials', 'No credentials.'), 'INVALID_KEY'],
  [
    'XAI',
    403,
    xai('unauthenticated:bad-credentials', 'The OAuth2 access token could not be validated.'),
    'INVALID_KEY',
  ],
  [
    'XAI',
    403,
    xai(
      'permission-denied',
      'Your team has used all available credits or reached its monthly spending limit.',
    ),
    'QUOTA_EXCEEDED',
  ],
  [
    'XAI',
    429,
    xai('Some resource has been exhausted', "The team doesn't have any credits or licenses yet."),
    'QUOTA_EXCEEDED',
  ],
  [
    'XAI',
    403,
    xai('permission-denied', 'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X'),
    'CONTENT_FILTERED',
  ],
  ['XAI', 403, xai('permission-denied', 'The caller does not have permission.'), 'KEY_LACKS_PERMISSION'],
  ['XAI', 404, xai('not-found', 'The model x does not exist.'), 'MODEL_NOT_FOUND'],
  ['XAI', 400, xai('invalid-argument', 'Model not found: x'), 'MODEL_NOT_FOUND'],
  [
    'XAI',
    400,
    xai('invalid-argument', "This model's maximum prompt length is 1 but the request contains 2 tokens."),
    'CONTEXT_TOO_LONG',
  ],
  ['XAI', 421, '', 'KEY_LACKS_PERMISSION'],
  ['XAI', 429, xai('rate', 'Too many requests.'), 'RATE_LIMITED'],

  ['NOVITA', 401, novita(401, 'FAILED_TO_AUTH', 'key not found'), 'INVALID_KEY'],
  ['NOVITA', 403, novita(403, 'INVALID_API_KEY', 'invalid api-key'), 'INVALID_KEY'],
  ['NOVITA', 403, novita(403, 'NOT_ENOUGH_BALANCE', 'not enough balance'), 'QUOTA_EXCEEDED'],
  ['NOVITA', 403, novita(403, 'model_access_denied', 'identity verification needed'), 'KEY_LACKS_PERMISSION'],
  ['NOVITA', 404, novita(404, 'MODEL_NOT_FOUND', 'model not found'), 'MODEL_NOT_FOUND'],
  ['NOVITA', 404, '404 page not found', 'BAD_REQUEST'],
  ['NOVITA', 429, novita(429, 'RATE_LIMIT_EXCEEDED', 'RPM'), 'RATE_LIMITED'],
  ['NOVITA', 504, novita(504, 'TIMEOUT', 'late'), 'TIMEOUT'],

  ['CUSTOM', 401, { error: 'Unauthorized' }, 'INVALID_KEY'],
  ['CUSTOM', 402, '', 'QUOTA_EXCEEDED'],
  ['CUSTOM', 403, '', 'KEY_LACKS_PERMISSION'],
  [
    'CUSTOM',
    404,
    { error: { message: "model 'x' not found", type: 'not_found_error', code: null } },
    'MODEL_NOT_FOUND',
  ],
  [
    'CUSTOM',
    404,
    { object: 'error', message: 'The model `x` does not exist.', type: 'NotFoundError', code: 404 },
    'MODEL_NOT_FOUND',
  ],
  ['CUSTOM', 404, { error: 'Model x is not loaded.' }, 'MODEL_UNAVAILABLE'],
  ['CUSTOM', 404, { error: 'The model x has been retired.' }, 'MODEL_UNAVAILABLE'],
  ['CUSTOM', 404, '<!doctype html><title>No such model page</title>', 'BAD_REQUEST'],
  [
    'CUSTOM',
    400,
    { error: { message: 'exceeds the available context size', type: 'exceed_context_size_error' } },
    'CONTEXT_TOO_LONG',
  ],
  ['CUSTOM', 429, { error: 'You have run out of credit.' }, 'QUOTA_EXCEEDED'],
  ['CUSTOM', 429, { error: 'Rate quota of 3 per minute exceeded.' }, 'RATE_LIMITED'],
  ['CUSTOM', 307, '', 'BAD_REQUEST'],
  ['CUSTOM', 408, '', 'TIMEOUT'],
  ['CUSTOM', 410, '', 'MODEL_UNAVAILABLE'],
  ['CUSTOM', 418, '', 'BAD_REQUEST'],
  ['CUSTOM', 500, { error: 'The server is overloaded.' }, 'PROVIDER_OVERLOADED'],
  ['CUSTOM', 500, '', 'PROVIDER_ERROR'],
  ['CUSTOM', 502, '<html>Bad gateway</html>', 'PROVIDER_OVERLOADED'],
  ['CUSTOM', 522, '', 'PROVIDER_OVERLOADED'],
  ['CUSTOM', 524, '', 'TIMEOUT'],
  ['CUSTOM', 200, '<html>Sign in to the hotel network</html>', 'PROVIDER_ERROR'],
  ['CUSTOM', 429, { error: 'Token limit reached: 40000 of 32768' }, 'CONTEXT_TOO_LONG'],
  ['CUSTOM', 429, { error: 'Daily token limit reached.' }, 'RATE_LIMITED'],
  [
    'CUSTOM',
    403,
    { code: 'Throttling.AllocationQuota', message: 'Allocated quota exceeded.' },
    'RATE_LIMITED',
  ],
  ['CUSTOM', 401, { error: { message: 'User not found.', code: 401 } }, 'INVALID_KEY'],
  ['CUSTOM', 403, '<!doctype html><title>Just a moment...</title>', 'NETWORK'],
  ['CUSTOM', 407, '', 'NETWORK'],
  ['CUSTOM', 429, '<html>error code: 1015</html>', 'PROVIDER_OVERLOADED'],
  ['CUSTOM', 403, { error: { type: 'permission_error', message: 'No.' } }, 'KEY_LACKS_PERMISSION'],
  ['CUSTOM', 404, { error: 'There is no such deployment.' }, 'MODEL_NOT_FOUND'],
  ['CUSTOM', 404, 'Cannot POST /v1/models/x/chat', 'BAD_REQUEST'],
  ['CUSTOM', 200, { error: 'Unexpected endpoint or method. (GET /models)' }, 'BAD_REQUEST'],
  ['OPENAI', 400, openai(null, 'weapons_policy', 'No.'), 'CONTENT_FILTERED'],
  [
    'OPENAI',
    400,
    openai(null, 'model_not_found', "The requested model 'x' does not exist."),
    'MODEL_NOT_FOUND',
  ],
  [
    'OPENAI',
    404,
    openai('invalid_request_error', 'model_not_found', 'The model `x` has been deprecated.'),
    'MODEL_UNAVAILABLE',
  ],
  [
    'OPENAI',
    400,
    openai(
      'invalid_request_error',
      'unsupported_value',
      'Your organization must be verified to stream this model. Please go to: https://example.com',
    ),
    'KEY_LACKS_PERMISSION',
  ],
  ['ANTHROPIC', 401, anthropic('authentication_error', 'OAuth is not supported.'), 'INVALID_KEY'],
  ['GEMINI', 404, gemini(404, 'NOT_FOUND', 'Requested entity was not found.'), 'BAD_REQUEST'],
  ['GEMINI', 404, '<!doctype html><title>Not found</title>', 'BAD_REQUEST'],
  ['MISTRAL', 404, mistral('invalid_model', '1501', 'The model x is deprecated.'), 'MODEL_UNAVAILABLE'],
  ['MISTRAL', 403, mistral('content_filter', null, 'Blocked.'), 'CONTENT_FILTERED'],
  [
    'PERPLEXITY',
    400,
    { error: { message: 'No.', type: 'too_many_prompt_tokens', code: 400 } },
    'CONTEXT_TOO_LONG',
  ],
  ['XAI', 403, xai('permission-denied', 'The team has no credits.'), 'QUOTA_EXCEEDED'],
  ['XAI', 404, xai('not-found', 'The requested path does not exist.'), 'BAD_REQUEST'],
];

const textOf = (body: string | object) => (typeof body === 'string' ? body : JSON.stringify(body));

describe('an error response', () => {
  test.each(CASES)('%s %i %j is %s', (provider, status, body, code) => {
    const error = classifyFailure(provider, { status, headers: {}, body: textOf(body) });
    expect([error.code, error.status]).toEqual([code, status]);
  });

  test('every row of the table has a case of its own', () => {
    const reached = new Set(
      CASES.map(([provider, status, body]) => {
        return findFailureRow(provider, status, describeErrorBody(textOf(body)));
      }),
    );
    expect(FAILURE_ROWS.filter((row) => !reached.has(row))).toEqual([]);

    const rowsOf = (name: ProviderName) =>
      FAILURE_ROWS.filter(({ providers }) => providers !== 'any' && providers.includes(name)).length;
    const counts = [...PROVIDER_NAMES.map((name) => `${name} ${rowsOf(name)}`)];
    const anyCount = FAILURE_ROWS.filter(({ providers }) => providers === 'any').length;
    say(`failure table: ${FAILURE_ROWS.length} rows: ${counts.join(', ')}, any ${anyCount}`);
  });

  test('an error response in any shape whatever becomes a ProviderError that says its code and nothing else', () => {
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((error) => JSON.stringify({ error })),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...PROVIDER_NAMES),
        fc.integer({ min: 100, max: 999 }),
        body,
        (name, status, body) => {
          const error = classifyFailure(name, { status, headers: {}, body });
          expect(PROVIDER_FAILURE_CODES).toContain(error.code);
          expect(error.message).toBe(`Provider call failed: ${error.code}`);
        },
      ),
    );
  });
});

describe('an error inside a stream', () => {
  test.each<[ProviderName, unknown, ProviderFailureCode]>([
    [
      'OPENAI',
      { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } },
      'PROVIDER_ERROR',
    ],
    [
      'OPENAI',
      {
        type: 'error',
        error: { type: 'insufficient_quota', code: 'insufficient_quota', message: QUOTA_TEXT },
      },
      'QUOTA_EXCEEDED',
    ],
    [
      'OPENAI',
      { type: 'error', code: 'rate_limit_exceeded', message: 'Slow down', param: null },
      'RATE_LIMITED',
    ],
    [
      'OPENAI',
      {
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'server_is_overloaded', message: '' } },
      },
      'PROVIDER_OVERLOADED',
    ],
    ['OPENAI', { error: { code: 'context_length_exceeded', message: 'Too long' } }, 'CONTEXT_TOO_LONG'],
    [
      'OPENAI',
      { error: { type: 'invalid_request_error', code: 'invalid_prompt', message: 'No' } },
      'CONTENT_FILTERED',
    ],
    [
      'ANTHROPIC',
      { type: 'error', error: { details: null, type: 'overloaded_error', message: 'Overloaded' } },
      'PROVIDER_OVERLOADED',
    ],
    ['ANTHROPIC', { type: 'error', error: { type: 'rate_limit_error', message: 'Limit' } }, 'RATE_LIMITED'],
    ['ANTHROPIC', { type: 'error', error: { type: 'authentication_error', message: 'Key' } }, 'INVALID_KEY'],
    [
      'ANTHROPIC',
      { type: 'error', error: { type: 'permission_error', message: 'Key' } },
      'KEY_LACKS_PERMISSION',
    ],
    ['ANTHROPIC', { type: 'error', error: { type: 'billing_error', message: 'Pay' } }, 'QUOTA_EXCEEDED'],
    [
      'ANTHROPIC',
      { type: 'error', error: { type: 'not_found_error', message: 'model: x' } },
      'MODEL_NOT_FOUND',
    ],
    ['ANTHROPIC', { type: 'error', error: { type: 'request_too_large', message: '' } }, 'BAD_REQUEST'],
    ['ANTHROPIC', { type: 'error', error: { type: 'timeout_error', message: '' } }, 'TIMEOUT'],
    ['GEMINI', gemini(503, 'UNAVAILABLE', 'High demand'), 'PROVIDER_OVERLOADED'],
    ['GEMINI', gemini(429, 'RESOURCE_EXHAUSTED', QUOTA_TEXT), 'RATE_LIMITED'],
    [
      'PERPLEXITY',
      { type: 'error', error: { message: 'Bad', type: 'bad_gateway', code: 502 } },
      'PROVIDER_OVERLOADED',
    ],
    ['CUSTOM', { error: 'prompt is too long', choices: [] }, 'CONTEXT_TOO_LONG'],
    ['CUSTOM', { error: { code: 401, type: 'authentication_error' } }, 'INVALID_KEY'],
    ['CUSTOM', null, 'PROVIDER_ERROR'],
  ])('an error inside a stream of %s, %j, is %s', (provider, json, code) => {
    expect(classifyStreamError(provider, json).code).toBe(code);
  });

  test('an error inside a stream carries the status that it names, and none otherwise', () => {
    expect(classifyStreamError('GEMINI', gemini(503, 'UNAVAILABLE', '')).status).toBe(503);
    expect(classifyStreamError('ANTHROPIC', anthropic('overloaded_error', '')).status).toBeNull();
  });
});

describe('a network failure', () => {
  const coded = (code: string) => Object.assign(new Error('secret.example.com'), { code });

  test.each<[string, unknown, ProviderFailureCode]>([
    ['ENOTFOUND', coded('ENOTFOUND'), 'NETWORK'],
    [
      'ECONNREFUSED of every address',
      Object.assign(new AggregateError([coded('ECONNREFUSED')]), {}),
      'NETWORK',
    ],
    ['ETIMEDOUT of an address', new AggregateError([coded('ENETUNREACH'), coded('ETIMEDOUT')]), 'TIMEOUT'],
    ['UND_ERR_SOCKET', coded('UND_ERR_SOCKET'), 'NETWORK'],
    ['UND_ERR_CONNECT_TIMEOUT', coded('UND_ERR_CONNECT_TIMEOUT'), 'TIMEOUT'],
    ['a cause', new TypeError('fetch failed', { cause: coded('UND_ERR_HEADERS_TIMEOUT') }), 'TIMEOUT'],
    ['a signal of AbortSignal.timeout', new DOMException('late', 'TimeoutError'), 'TIMEOUT'],
    ['CERT_HAS_EXPIRED', coded('CERT_HAS_EXPIRED'), 'NETWORK'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', coded('DEPTH_ZERO_SELF_SIGNED_CERT'), 'NETWORK'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'NETWORK'],
    ['HPE_INVALID_CONSTANT', coded('HPE_INVALID_CONSTANT'), 'PROVIDER_ERROR'],
    ['UND_ERR_INVALID_ARG', coded('UND_ERR_INVALID_ARG'), 'BAD_REQUEST'],
    ['anything else', 'thrown text', 'NETWORK'],
  ])('%s', (_name, thrown, code) => {
    const error = classifyNetworkError(thrown);
    expect(error.code).toBe(code);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('secret.example.com');
  });

  test('a network failure that is a ProviderError already stays as it is', () => {
    const error = new ProviderError('STREAM_CUT');
    expect(classifyNetworkError(error)).toBe(error);
  });
});

describe('how long to wait', () => {
  const nowMs = Date.parse('2026-11-23T12:00:00Z');
  const wait = (headers: Record<string, string>, body: string | object = '', status = 429) =>
    classifyFailure('OPENAI', { status, headers, body: textOf(body) }, nowMs).retryAfterMs;

  test.each<[string, Record<string, string>, string | object, number | null]>([
    ['milliseconds', { 'retry-after-ms': '1500', 'retry-after': '60' }, '', 1500],
    ['seconds', { 'retry-after': '20' }, '', 20_000],
    ['a date', { 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT' }, '', 30_000],
    ['a date gone by', { 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT' }, '', null],
    ['more than an hour', { 'retry-after': '86400' }, '', 3_600_000],
    ['nothing', { 'retry-after': '0' }, '', null],
    ['nonsense', { 'retry-after': 'soon' }, { message: 'try again in a while' }, null],
    ['a negative number', { 'retry-after': '-5' }, '', null],
    ["a reset in Go's words", { 'x-ratelimit-reset-requests': '6m0s' }, '', 360_000],
    ['a reset in milliseconds', { 'x-ratelimit-reset-tokens': '20ms' }, '', 20],
    [
      'the reset of the limit that is used up',
      {
        'x-ratelimit-reset-requests': '8s',
        'x-ratelimit-remaining-requests': '3',
        'x-ratelimit-reset-tokens': '2s',
        'x-ratelimit-remaining-tokens': '0',
      },
      '',
      2000,
    ],
    ['a reset as a date', { 'anthropic-ratelimit-input-tokens-reset': '2026-11-23T12:00:45Z' }, '', 45_000],
    [
      'RetryInfo',
      {},
      gemini(429, 'RESOURCE_EXHAUSTED', 'Please retry in 44.2s.', [{ retryDelay: '34.4s' }]),
      34_400,
    ],
    [
      'try again in',
      {},
      openai('tokens', null, 'Rate limit reached. Please try again in 1m12.5s. Visit'),
      72_500,
    ],
    ['try again in, spelled out', {}, { message: 'Try again in 20 seconds.' }, 20_000],
    ['retry in', {}, { message: 'Please retry in 44.2s.' }, 44_200],
    ['silence', {}, { message: 'Rate limited.' }, null],
  ])('%s', (_name, headers, body, waitMs) => {
    expect(wait(headers, body)).toBe(waitMs);
  });

  test('a transient failure has a time to retry, and one that waiting does not fix has none', () => {
    expect(wait({ 'retry-after': '5' }, '', 503)).toBe(5000);
    expect(wait({ 'retry-after': '5' }, '', 401)).toBeNull();
    expect(wait({ 'retry-after': '5' }, openai('insufficient_quota', null, QUOTA_TEXT))).toBeNull();
  });
});

describe('a secret in a provider’s text', () => {
  const word = (alphabet: string, length: number) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: length, maxLength: length });
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const LETTERS_AND_DASHES = `${LETTERS}_-`;
  const key = fc.oneof(
    word(LETTERS_AND_DASHES, 93).map((middle) => `sk-ant-api03-${middle}AA`),
    fc
      .tuple(word(LETTERS_AND_DASHES, 58), word(LETTERS_AND_DASHES, 58))
      .map(([a, b]) => `sk-proj-${a}T3BlbkFJ${b}`),
    fc
      .tuple(word(LETTERS_AND_DASHES, 74), word(LETTERS_AND_DASHES, 74))
      .map(([a, b]) => `sk-svcacct-${a}T3BlbkFJ${b}`),
    fc.tuple(word(LETTERS, 20), word(LETTERS, 20)).map(([a, b]) => `sk-${a}T3BlbkFJ${b}`),
    word(LETTERS_AND_DASHES, 45).map((rest) => `AQ.Ab8RN6${rest}`),
    word(LETTERS_AND_DASHES, 35).map((rest) => `AIza${rest}`),
    word(LETTERS, 32),
    word(LETTERS, 48).map((rest) => `pplx-${rest}`),
    word(LETTERS, 80).map((rest) => `xai-${rest}`),
    word(LETTERS_AND_DASHES, 43).map((rest) => `sk_${rest}`),
  );
  const around = fc.constantFrom(
    (key: string) => `Incorrect API key provided: ${key}. Find yours at https://example.com/keys.`,
    (key: string) => `https://example.com/v1?key=${key}&alt=sse`,
    (key: string) => `{"authorization":"Bearer ${key}"}`,
    (key: string) => `headers: {\\n  "x-api-key": "${key}"\\n}`,
    (key: string) => `api_key=${key}`,
    (key: string) => `${'x '.repeat(240)}${key}`,
    (key: string) => key,
  );
  const body = fc.constantFrom<(message: string) => string | object>(
    (message) => ({ error: { message, type: 'x', code: message } }),
    (message) => ({ code: message, error: message }),
    (message) => ({ message: { detail: [{ msg: message }] } }),
    (message) => ({ detail: message }),
    (message) => message,
  );

  test('a secret in a provider’s text never appears in the error, whatever the provider, the key and the shape of the body', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PROVIDER_NAMES), key, around, body, (provider, key, around, body) => {
        const text = textOf(body(around(key)));
        const error = classifyFailure(provider, { status: 401, headers: { authorization: key }, body: text });
        const shown = [
          error.message,
          error.providerText,
          JSON.stringify(error),
          inspect(error, { showHidden: true }),
        ];
        for (const part of [key, key.slice(0, 20), key.slice(-20)])
          expect(shown.join('\n')).not.toContain(part);
      }),
      { numRuns: 500 },
    );
  });

  test('a secret in a provider’s text of any shape is taken out when the call names it', () => {
    const failed = {
      status: 401,
      headers: {},
      body: '{"error":"no user hunter2 here"}',
      secrets: ['hunter2'],
    };
    expect(classifyFailure('CUSTOM', failed).providerText).toBe('no user [redacted] here');
    expect(classifyStreamError('CUSTOM', { error: 'hunter2?' }, ['hunter2']).providerText).toBe(
      '[redacted]?',
    );
    const several = ['hunter2', 'the hunter2 of before', ''];
    const error = classifyStreamError('CUSTOM', { error: 'hunter2, the hunter2 of before' }, several);
    expect(error.providerText).toBe('[redacted], [redacted]');
  });

  test('a secret in a provider’s text is taken out together with account names, half masked keys and credentials in addresses', () => {
    const text =
      'Key sk-abc***xyz of org-AbCdEfGhIjKl in proj_AbCdEfGh, team 0f8fad5b-d9cd-469f-a165-70867728950e, https://u:p@example.com/?api_key=short';
    expect(redact(text)).toBe(
      'Key [redacted] of [redacted] in [redacted], team [redacted], https://[redacted]example.com/?api_key=[redacted]',
    );
  });

  test('a secret in a provider’s text leaves a sentence of ordinary words as it is', () => {
    const text =
      'The model gpt-5.6-luna-2026-10-01 does not support risk-free tasks: ask an admin, see https://example.com/a.';
    expect(redact(text)).toBe(text);
  });
});

describe('a provider’s text', () => {
  const providerText = (body: string | object) =>
    classifyFailure('CUSTOM', { status: 400, headers: {}, body: textOf(body) }).providerText;

  test.each<[string | object, string | null]>([
    [{ error: { message: 'one' } }, 'one'],
    [[{ error: { message: 'one' } }], 'one'],
    [{ error: 'one' }, 'one'],
    [{ message: 'one' }, 'one'],
    [{ message: { detail: [{ msg: 'one' }, { msg: 'two' }] } }, 'one; two'],
    [{ detail: 'one' }, 'one'],
    [{ detail: [{ msg: 'one' }] }, 'one'],
    [{ msg: 'one' }, 'one'],
    ['"one"', 'one'],
    ['one', null],
    ['<html>one</html>', null],
    [{ error: { message: { deep: 1 } } }, null],
    ['{"error":{"message":"cut', null],
    ['', null],
  ])('a provider’s text of %j is %j', (body, text) => {
    expect(providerText(body)).toBe(text);
  });

  test('a provider’s text is cut to 500 characters', () => {
    expect(providerText({ error: 'a b '.repeat(1000) })).toHaveLength(500);
  });

  test('a provider’s text is left out of what a logger finds', () => {
    const error = classifyFailure('CUSTOM', {
      status: 400,
      headers: {},
      body: '{"error":"the prompt was: …"}',
    });
    expect(error.providerText).toBe('the prompt was: …');
    expect(JSON.stringify(error) + inspect(error, { showHidden: true })).not.toContain('the prompt was');
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'ProviderError',
      code: 'BAD_REQUEST',
      status: 400,
      retryAfterMs: null,
      isExplicit: false,
    });
  });
});

test.each([
  ...[
    'model ',
    'input token count ',
    'IP ',
    'retry in ',
    'try again in 1',
    '//u:p@',
    '?key=a',
    'sk-',
    'A',
    '0',
    '-',
    '.',
  ],
  ...['[', '{"a":', ' ', '\n'],
])('a mebibyte of %j, made to be slow, is classified within 50 ms', (piece) => {
  const text = piece.repeat(Math.ceil(1_048_576 / piece.length));
  const failed = { status: 400, headers: {}, body: text };
  const short = { ...failed, body: JSON.stringify({ error: { message: text.slice(0, 30_000) } }) };
  for (const provider of PROVIDER_NAMES) {
    expect(shortestMs(() => classifyFailure(provider, failed))).toBeLessThan(50);
    expect(shortestMs(() => classifyFailure(provider, short))).toBeLessThan(50);
    expect(
      shortestMs(() => classifyStreamError(provider, { error: { message: text, type: text } })),
    ).toBeLessThan(50);
  }
});

/** The best of three runs: what else the machine does meanwhile is not the point. */
function shortestMs(run: () => unknown): number {
  const runsMs = [1, 2, 3].map(() => {
    const startedAtMs = performance.now();
    run();
    return performance.now() - startedAtMs;
  });
  return Math.min(...runsMs);
}
