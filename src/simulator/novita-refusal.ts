import type { Refusal, Reply } from './provider.ts';

/** How Novita AI words a refusal. */
export function novitaRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(401, 'UNAUTHORIZED', 'missing api key');
    case 'wrong-key':
      return error(401, 'FAILED_TO_AUTH', 'key not found');
    case 'expired-key':
      return error(403, 'INVALID_API_KEY', 'invalid api-key');
    case 'echoed-key':
      return error(401, 'FAILED_TO_AUTH', `key not found: ${secret}`);
    case 'no-credit':
      return error(403, 'NOT_ENOUGH_BALANCE', 'not enough balance');
    case 'rate-limited':
      return {
        ...error(429, 'RATE_LIMIT_EXCEEDED', 'rate limit exceeded: RPM'),
        headers: { 'retry-after': String(refusal.retryAfterSeconds) },
      };
    case 'forbidden':
      return error(403, 'MODEL_ACCESS_DENIED', 'identity verification is required');
    case 'down':
    case 'overloaded':
      return error(503, 'SERVICE_UNAVAILABLE', 'service is overloaded, please try again later');
    case 'broken':
      return error(500, 'INTERNAL_ERROR', 'internal error');
    case 'unknown-model':
      return error(404, 'MODEL_NOT_FOUND', `model: ${model} not found`);
    case 'retired-model':
      return error(404, 'MODEL_NOT_FOUND', `model: ${model} was deprecated and is no longer available`);
    case 'context-too-long':
      // This refusal is by the server behind Novita, in its own envelope.
      return {
        status: 400,
        body: {
          object: 'error',
          message:
            "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens.",
          type: 'BadRequestError',
          param: null,
          code: 400,
        },
      };
    case 'body-too-large':
      return error(413, 'INVALID_REQUEST_BODY', 'request body too large');
    case 'blocked-prompt':
      return error(400, 'CONTENT_FILTER', 'the request was blocked by a content filter');
    case 'unknown-field':
      return error(400, 'INVALID_REQUEST_BODY', `unknown field ${detail}`);
    case 'bad-request':
      return error(400, 'INVALID_REQUEST_BODY', detail);
    case 'unknown-path':
      return { status: 404, body: '404 page not found' };
    default:
      return refusal.reason satisfies never;
  }
}

function error(code: number, reason: string, message: string): Reply {
  return { status: code, body: { code, reason, message, metadata: {} } };
}
