import type { Refusal, Reply } from './provider.ts';

/** How Anthropic words a refusal. Bad, revoked and expired keys read alike. */
export function anthropicRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(401, 'authentication_error', 'x-api-key header is required');
    case 'wrong-key':
    case 'expired-key':
      return error(401, 'authentication_error', 'invalid x-api-key');
    case 'echoed-key':
      return error(401, 'authentication_error', `invalid x-api-key: ${secret}`);
    case 'no-credit':
      return error(
        400,
        'invalid_request_error',
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
      );
    case 'rate-limited':
      return {
        ...error(429, 'rate_limit_error', 'This request would exceed the rate limit for your organization.'),
        headers: { 'retry-after': String(refusal.retryAfterSeconds), 'x-should-retry': 'true' },
      };
    case 'forbidden':
      return error(
        403,
        'permission_error',
        'Your API key does not have permission to use the specified resource.',
      );
    case 'down':
      return error(503, 'api_error', 'Service unavailable');
    case 'overloaded':
      return error(529, 'overloaded_error', 'Overloaded');
    case 'broken':
      return error(500, 'api_error', 'Internal server error');
    case 'unknown-model':
      return error(404, 'not_found_error', `model: ${model}`);
    case 'retired-model':
      return error(404, 'not_found_error', `The model ${model} has been retired and is no longer available.`);
    case 'context-too-long':
      return error(400, 'invalid_request_error', 'prompt is too long: 274468 tokens > 200000 maximum');
    case 'body-too-large':
      return error(413, 'request_too_large', 'Request exceeds the maximum size');
    case 'blocked-prompt':
      return error(400, 'invalid_request_error', 'Output blocked by content filtering policy');
    case 'unknown-field':
      return error(400, 'invalid_request_error', `${detail}: Extra inputs are not permitted`);
    case 'bad-request':
      return error(400, 'invalid_request_error', detail);
    case 'unknown-path':
      return error(404, 'not_found_error', 'Not found');
    default:
      return refusal.reason satisfies never;
  }
}

function error(status: number, type: string, message: string): Reply {
  return { status, body: { type: 'error', error: { type, message }, request_id: 'req_simulated' } };
}
