import type { Refusal, Reply } from './provider.ts';

/** How servers that speak like OpenAI refuse: a text, an object with a number, or OpenAI's own envelope. */
export function customRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
    case 'wrong-key':
      return { status: 401, body: { error: 'Unauthorized' } };
    case 'expired-key':
      return error(401, 'authentication_error', 'Invalid API Key');
    case 'echoed-key':
      return error(401, 'authentication_error', `Invalid API Key: ${secret}`);
    case 'no-credit':
      return error(402, 'payment_required', 'Insufficient credits. Add more using your account page.');
    case 'rate-limited':
      return {
        ...error(429, 'rate_limit_error', 'Rate limit exceeded, too many requests.'),
        headers: { 'retry-after': String(refusal.retryAfterSeconds) },
      };
    case 'forbidden':
      return error(403, 'permission_error', 'This key may not use this server.');
    case 'down':
      return {
        status: 503,
        headers: { 'content-type': 'text/html' },
        body: '<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n',
      };
    case 'overloaded':
      return error(503, 'unavailable_error', 'Loading model');
    case 'broken':
      return { status: 500, body: { error: 'internal server error' } };
    case 'unknown-model':
      return {
        status: 404,
        body: {
          error: { message: `model '${model}' not found`, type: 'not_found_error', param: null, code: null },
        },
      };
    case 'retired-model':
      return error(404, 'model_not_available', `Model ${model} is not loaded.`);
    case 'context-too-long':
      return error(
        400,
        'exceed_context_size_error',
        'the request exceeds the available context size, try increasing it',
      );
    case 'body-too-large':
      return error(413, 'invalid_request_error', 'Request body too large');
    case 'blocked-prompt':
      return error(400, 'content_filter', 'The prompt was blocked by a content filter.');
    case 'unknown-field':
      return error(422, 'invalid_request_error', `Extra inputs are not permitted: ${detail}`);
    case 'bad-request':
      return error(400, 'invalid_request_error', detail);
    case 'unknown-path':
      return { status: 404, body: '404 page not found' };
    default:
      return refusal.reason satisfies never;
  }
}

function error(code: number, type: string, message: string): Reply {
  return { status: code, body: { error: { code, message, type } } };
}
