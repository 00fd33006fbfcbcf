import type { Refusal, Reply } from './provider.ts';

/** How Mistral words a refusal: flat objects of several shapes. */
export function mistralRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return { status: 401, body: { message: 'No API key found in request', request_id: 'simulated' } };
    case 'wrong-key':
      return { status: 401, body: { detail: 'Invalid API Key' } };
    case 'expired-key':
      return { status: 401, body: { message: 'Unauthorized', request_id: 'simulated' } };
    case 'echoed-key':
      return { status: 401, body: { message: `Unauthorized: ${secret}`, request_id: 'simulated' } };
    case 'no-credit':
      return error(402, 'billing_api_budget_exhausted', '2303', 'API budget exhausted.');
    case 'rate-limited':
      return {
        ...error(429, 'rate_limited', '1300', 'Rate limit exceeded'),
        headers: { 'retry-after': String(refusal.retryAfterSeconds) },
      };
    case 'forbidden':
      return error(403, 'forbidden', '1903', 'Your subscription tier does not include this resource.');
    case 'down':
      return error(503, 'internal_server_error', '3000', 'Service unavailable.');
    case 'overloaded':
      return error(
        429,
        'service_tier_capacity_exceeded',
        '3505',
        'Service tier capacity exceeded for this model.',
      );
    case 'broken':
      return error(500, 'internal_server_error', '3000', 'Internal server error');
    case 'unknown-model':
      return error(400, 'invalid_model', '1500', `Invalid model: ${model}`);
    case 'retired-model':
      return error(
        400,
        'invalid_model',
        '1501',
        `The model ${model} has been retired and is no longer available.`,
      );
    case 'context-too-long':
      return error(
        400,
        'invalid_request_prompt_too_long',
        '3059',
        'Prompt contains 300000 tokens and 0 draft tokens, too large for model with 262144 maximum context length',
      );
    case 'body-too-large':
      return error(413, 'invalid_request_error', null, 'Request body too large');
    case 'blocked-prompt':
      return error(403, 'content_filter', null, 'The request was blocked by a content policy.');
    case 'unknown-field':
      return {
        status: 422,
        body: {
          object: 'error',
          message: {
            detail: [
              { type: 'extra_forbidden', loc: ['body', detail], msg: 'Extra inputs are not permitted' },
            ],
          },
          type: 'invalid_request_error',
          param: null,
          code: null,
          raw_status_code: 422,
        },
      };
    case 'bad-request':
      return error(400, 'invalid_request_error', '3051', detail);
    case 'unknown-path':
      return { status: 404, body: { detail: 'Not Found' } };
    default:
      return refusal.reason satisfies never;
  }
}

function error(status: number, type: string, code: string | null, message: string): Reply {
  return { status, body: { object: 'error', message, type, param: null, code, raw_status_code: status } };
}
