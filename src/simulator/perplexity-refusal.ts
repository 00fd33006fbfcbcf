import type { Refusal, Reply } from './provider.ts';

/** How Perplexity words a refusal: the code is the status as a number, and a wrong key may meet the edge's HTML page. */
export function perplexityRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(401, 'unauthorized', 'Missing API key.');
    case 'wrong-key':
      return {
        status: 401,
        headers: { 'content-type': 'text/html' },
        body: '<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n<center><h1>401 Authorization Required</h1></center>\r\n</body>\r\n</html>\r\n',
      };
    case 'expired-key':
      return error(401, 'unauthorized', 'Invalid API key provided.');
    case 'echoed-key':
      return error(401, 'unauthorized', `Invalid API key provided: ${secret}`);
    case 'no-credit':
      return error(
        401,
        'unauthorized',
        'Your API credits are exhausted. Please add credits in your billing settings.',
      );
    case 'rate-limited':
      return {
        ...error(429, 'request_rate_limit_exceeded', 'Request rate limit exceeded, please try again later.'),
        headers: { 'retry-after': String(refusal.retryAfterSeconds), 'x-ratelimit-remaining': '0' },
      };
    case 'forbidden':
      return error(403, 'forbidden', 'This API key is not allowed to perform this request.');
    case 'down':
    case 'overloaded':
      return error(503, 'service_unavailable', 'The service is overloaded, please try again later.');
    case 'broken':
      return error(500, 'internal_error', 'An internal error occurred.');
    case 'unknown-model':
      return error(400, 'invalid_model', `model "${model}" is not supported`);
    case 'retired-model':
      return error(400, 'invalid_model', `model "${model}" has been deprecated and is no longer available`);
    case 'context-too-long':
      return error(400, 'invalid_request', "This model's maximum context length is 128000 tokens.");
    case 'body-too-large':
      return error(413, 'payload_too_large', 'Request body is larger than 32 MiB.');
    case 'blocked-prompt':
      return error(400, 'content_policy_violation', 'The request was rejected by a content policy.');
    case 'unknown-field':
      return error(400, 'invalid_request', `invalid request body: json: unknown field "${detail}"`);
    case 'bad-request':
      return error(400, 'invalid_parameter', detail);
    case 'unknown-path':
      return error(404, 'not_found', 'The requested resource was not found.');
    default:
      return refusal.reason satisfies never;
  }
}

function error(code: number, type: string, message: string): Reply {
  return { status: code, body: { error: { message, type, code } } };
}
