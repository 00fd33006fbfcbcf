import { describe, expect, test } from 'vitest';
import {
  classifyFailure,
  classifyStreamError,
  isWorthRepeating,
  ProviderError,
} from '../src/providers/failure/failure.ts';
import type { ProviderFailureCode } from '../src/providers/failure/failure-table.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';

/**
 * Gateways forward the errors of every vendor, each in the vendor's own words and often with a status of their own: the words
 * mean the same whichever provider the key is for, and whether they come as a refusal or inside a stream.
 */

const flat = (code: string, message: string) => ({ code, message, request_id: '1' });
const enveloped = (message: string, code: string | number | null = null) => ({
  error: { message, type: null, code },
});

const TOO_LONG: [status: number, body: object][] = [
  [400, enveloped('prompt is too long: 274468 tokens > 200000 maximum')],
  [400, enveloped('prompt too long; exceeded max context length by 1119046 tokens')],
  [400, enveloped("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.")],
  [
    400,
    enveloped(
      'Trying to keep the first 19185 tokens when context the overflows. However, the model is loaded with 4096',
    ),
  ],
  [400, enveloped('Context size has been exceeded.')],
  [400, enveloped('max_tokens must be at least 1, got -15324')],
  [400, enveloped('max_completion_tokens must be at least 1, got -3.')],
  [400, enveloped('Token limit reached')],
  [400, enveloped('No.', 'too_many_prompt_tokens')],
  [400, enveloped("The input (40000 tokens) is longer than the model's context length (32768 tokens).")],
  [400, enveloped("Requested token count exceeds the model's context length of 32768 tokens.")],
  [400, enveloped('Input is too long for requested model.')],
  [400, enveloped('Your request exceeded model token limit: 8192')],
  [
    400,
    enveloped('prompt token count of 130000 exceeds the limit of 128000', 'model_max_prompt_tokens_exceeded'),
  ],
  [400, flat('InvalidParameter', 'Range of input length should be [1, 129024]')],
  [413, enveloped('Request body too large for gpt-4o model. Max size: 8000 tokens.', 'tokens_limit_reached')],
  [
    413,
    enveloped(
      'Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 7200',
      'rate_limit_exceeded',
    ),
  ],
  [
    422,
    {
      error: 'Input validation error: `inputs` must have less than 1024 tokens. Given: 2000',
      error_type: 'validation',
    },
  ],
  [500, enveloped('the request exceeds the available context size, try increasing it')],
  [
    400,
    {
      object: 'error',
      error_type: 'BadRequestError',
      error_message: 'maximum context length is 163840 tokens',
      status_code: 400,
    },
  ],
  [
    400,
    {
      error: {
        message: 'Provider returned error',
        code: 400,
        metadata: { raw: '{"error":{"message":"prompt is too long: 3 tokens > 2 maximum"}}' },
      },
    },
  ],
];

const REFUSED_FOR_CONTENT: [status: number, body: object][] = [
  [400, enveloped('Content Exists Risk', 'invalid_request_error')],
  [400, enveloped('The response was filtered.', 'content_filter')],
  [
    400,
    { error: { message: 'Filtered.', code: null, innererror: { code: 'ResponsibleAIPolicyViolation' } } },
  ],
  [
    400,
    enveloped(
      'Invalid prompt: your prompt was flagged as potentially violating our usage policy.',
      'invalid_prompt',
    ),
  ],
  [400, enveloped('Your request was rejected as a result of our safety system.', 'moderation_blocked')],
  [400, enveloped('Output blocked by content filtering policy')],
  [400, enveloped('The request was rejected because it was considered high risk')],
  [400, flat('DataInspectionFailed', 'Input data may contain inappropriate content.')],
  [400, flat('data_inspection_failed', 'Refused.')],
  [400, flat('1301', '系统检测到输入或生成内容可能包含不安全或敏感内容')],
  [403, enveloped('openai/x requires moderation on OpenAI. Your input was flagged for "sexual".', 403)],
  [403, enveloped('Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X')],
  [403, { object: 'error', message: 'Blocked.', type: 'content_filter', code: null, raw_status_code: 403 }],
];

const WITHOUT_CREDIT: [status: number, body: object][] = [
  [
    403,
    enveloped('Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys', 403),
  ],
  [402, enveloped('Insufficient Balance')],
  [403, flat('30001', 'Sorry, your account balance is insufficient')],
  [403, flat('AllocationQuota.FreeTierOnly', 'The free tier of the model has been exhausted.')],
  [400, flat('Arrearage', 'Access denied, please make sure your account is in good standing.')],
  [400, enveloped('Your credit balance is too low to access the Anthropic API.')],
  [429, enveloped('You exceeded your current quota.', 'insufficient_quota')],
  [403, enveloped('Your team has used all available credits or reached its monthly spending limit.')],
  [429, enveloped('Your prepayment credits are depleted.')],
  [403, { code: 403, reason: 'NOT_ENOUGH_BALANCE', message: 'not enough balance' }],
];

const LIMITED: [status: number, body: object][] = [
  [429, flat('Throttling.AllocationQuota', 'Allocated quota exceeded, please increase your quota limit.')],
  [429, flat('Throttling.RateQuota', 'Requests rate limit exceeded, please try again later.')],
  [
    429,
    enveloped('Rate limit reached for x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.'),
  ],
  [
    429,
    enveloped(
      'This request would exceed the rate limit of 30,000 input tokens per minute. Reduce the prompt length.',
    ),
  ],
  [
    429,
    enveloped(
      'Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests per day',
      429,
    ),
  ],
];

const GONE: [status: number, body: object][] = [
  [
    404,
    enveloped('The model `x` has been deprecated, learn more here: https://example.com', 'model_not_found'),
  ],
  [
    400,
    enveloped('The model `x` has been decommissioned and is no longer supported.', 'model_decommissioned'),
  ],
  [404, { object: 'error', message: 'The model x is deprecated.', type: 'invalid_model', code: '1500' }],
];

const UNKNOWN_MODEL: [status: number, body: object][] = [
  [400, enveloped("The requested model 'x' does not exist.", 'model_not_found')],
  [400, enveloped('Model Not Exist', 'invalid_request_error')],
  [400, enveloped('x is not a valid model ID', 400)],
  [404, enveloped('The API deployment for this resource does not exist.', 'DeploymentNotFound')],
  [404, enveloped("model 'x' not found, try pulling it first")],
  [404, enveloped('models/x is not found for API version v1beta, or is not supported for generateContent.')],
];

const MEANINGS: [ProviderFailureCode, [status: number, body: object][]][] = [
  ['CONTEXT_TOO_LONG', TOO_LONG],
  ['CONTENT_FILTERED', REFUSED_FOR_CONTENT],
  ['QUOTA_EXCEEDED', WITHOUT_CREDIT],
  ['RATE_LIMITED', LIMITED],
  ['MODEL_UNAVAILABLE', GONE],
  ['MODEL_NOT_FOUND', UNKNOWN_MODEL],
];

describe.each(MEANINGS)('%s is understood from every provider', (code, wordings) => {
  test.each(wordings)('when status %i comes with %j', (status, body) => {
    const codes = PROVIDER_NAMES.map((name) => {
      return [name, classifyFailure(name, { status, headers: {}, body: JSON.stringify(body) }).code];
    });
    expect(codes).toEqual(PROVIDER_NAMES.map((name) => [name, code]));
  });

  test.each(wordings)(
    'when a stream that began with status 200 brings, instead of %i, %j',
    (_status, body) => {
      const codes = PROVIDER_NAMES.map((name) => [name, classifyStreamError(name, body).code]);
      expect(codes).toEqual(PROVIDER_NAMES.map((name) => [name, code]));
    },
  );
});

describe('a status 404', () => {
  test.each<[string | object]>([
    [''],
    ['404 page not found'],
    [{ detail: 'Not Found' }],
    [enveloped('Invalid URL (POST /chat/completions)', 'unknown_url')],
    [{ error: 'Cannot POST /api/v1/models' }],
    ['<!doctype html><title>The model railway shop</title>'],
  ])('a status 404 that names no model means a wrong address, from every provider: %j', (body) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    for (const name of PROVIDER_NAMES)
      expect(classifyFailure(name, { status: 404, headers: {}, body: text }).code).toBe('BAD_REQUEST');
  });
});

describe('the meaning of a refusal for its key', () => {
  const explicit: [ProviderName, number, object][] = [
    ['OPENAI', 401, enveloped('Incorrect API key provided: sk-***.', 'invalid_api_key')],
    ['OPENAI', 401, enveloped('The account is deactivated.', 'account_deactivated')],
    [
      'ANTHROPIC',
      401,
      { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } },
    ],
    ['GEMINI', 400, { error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT' } }],
    [
      'GEMINI',
      401,
      { error: { code: 401, message: 'Request had invalid credentials.', status: 'UNAUTHENTICATED' } },
    ],
    ['MISTRAL', 401, { detail: 'Invalid API Key' }],
    [
      'PERPLEXITY',
      401,
      { error: { message: 'Invalid API key provided.', type: 'invalid_api_key', code: 401 } },
    ],
    ['XAI', 400, { code: 'invalid-argument', error: 'Incorrect API key provided: xa***.' }],
    ['XAI', 401, { code: 'unauthenticated:bad-credentials', error: 'No.' }],
    ['NOVITA', 401, { code: 401, reason: 'FAILED_TO_AUTH', message: 'key not found', metadata: {} }],
    ['NOVITA', 403, { code: 403, reason: 'INVALID_API_KEY', message: 'invalid api-key', metadata: {} }],
    ['CUSTOM', 401, enveloped('Authentication Fails, Your api key: ****-key is invalid')],
    ['CUSTOM', 401, enveloped('Access denied due to invalid subscription key or wrong API endpoint.', '401')],
    ['CUSTOM', 401, enveloped('Authentication Error, Invalid proxy server token passed.')],
  ];

  test.each(explicit)(
    'the meaning of a refusal for its key is certain where the words of %s, %i %j, name the key',
    (name, status, body) => {
      const error = classifyFailure(name, { status, headers: {}, body: JSON.stringify(body) });
      expect(error).toMatchObject({ code: 'INVALID_KEY', isExplicit: true });
    },
  );

  test.each<[number, string | object]>([
    [401, ''],
    [401, { error: 'Unauthorized' }],
    [401, { message: 'Unauthorized' }],
    [401, enveloped('No auth credentials found', 401)],
    [401, enveloped('Missing Authentication header', 401)],
    [401, { detail: 'Not authenticated' }],
    [403, ''],
    [403, { message: 'Forbidden' }],
    [403, 'error code: 1020'],
    [403, { title: 'Error 1010: Access denied', status: 403, detail: 'The site owner has blocked access.' }],
  ])(
    'the meaning of a refusal for its key is not certain where status %i comes with %j, from any provider',
    (status, body) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      for (const name of PROVIDER_NAMES)
        expect(classifyFailure(name, { status, headers: {}, body: text }).isExplicit).toBe(false);
    },
  );

  test.each([
    [403, '<!DOCTYPE html><title>Just a moment...</title>', {}],
    [403, '<html><title>Access Denied</title></html>', {}],
    [403, '', { 'cf-mitigated': 'challenge' }],
    [401, '\uFEFF<html>Sign in</html>', {}],
    [407, 'Proxy authentication required', {}],
  ])(
    'the meaning of a refusal for its key is unknown if a web page was received: %i %j',
    (status, body, headers) => {
      for (const name of PROVIDER_NAMES.filter((name) => name !== 'PERPLEXITY'))
        expect(classifyFailure(name, { status, headers, body }).code).toBe('NETWORK');
    },
  );
});

describe('a failure is worth repeating', () => {
  const failed = (status: number, body: string | object = '') =>
    classifyFailure('CUSTOM', {
      status,
      headers: {},
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test.each([408, 429, 500, 502, 503, 520, 529])('a failure is worth retrying after status %i', (status) => {
    expect(isWorthRepeating(failed(status))).toBe(true);
  });

  test.each([301, 308, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451, 501, 504, 505, 524])(
    'never after status %i',
    (status) => {
      expect(isWorthRepeating(failed(status))).toBe(false);
    },
  );

  test('a failure is never retried where waiting does not help, whatever the status', () => {
    expect(isWorthRepeating(failed(429, enveloped('No.', 'insufficient_quota')))).toBe(false);
    expect(isWorthRepeating(failed(500, enveloped('Context size has been exceeded.')))).toBe(false);
  });

  test('a failure is never retried after a paid response that could not be used, unless the provider itself says that it is busy', () => {
    expect(isWorthRepeating(new ProviderError('PROVIDER_ERROR'))).toBe(false);
    expect(isWorthRepeating(new ProviderError('STREAM_CUT'))).toBe(false);
    expect(isWorthRepeating(classifyStreamError('OPENAI', enveloped('The server had an error')))).toBe(false);
    expect(isWorthRepeating(classifyStreamError('OPENAI', enveloped('Overloaded', 'overloaded')))).toBe(true);
    expect(isWorthRepeating(classifyStreamError('CUSTOM', enveloped('Provider returned error', 502)))).toBe(
      true,
    );
  });
});
