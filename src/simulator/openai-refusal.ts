import type { Refusal, Reply } from './provider.ts';

/** How OpenAI words a refusal. */
export function openaiRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(401, 'invalid_request_error', null, NO_KEY);
    case 'wrong-key':
    case 'expired-key':
      return error(401, 'invalid_request_error', 'invalid_api_key', wrongKey(mask(secret)));
    case 'echoed-key':
      return error(401, 'invalid_request_error', 'invalid_api_key', wrongKey(secret));
    case 'no-credit':
      return error(
        429,
        'insufficient_quota',
        'insufficient_quota',
        'You exceeded your current quota, please check your plan and billing details.',
      );
    case 'rate-limited': {
      const seconds = refusal.retryAfterSeconds;
      const message = `Rate limit reached for ${model || 'requests'} in organization org-simulated on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in ${seconds}s.`;
      return {
        ...error(429, 'requests', 'rate_limit_exceeded', message),
        headers: { 'retry-after': String(seconds), 'retry-after-ms': String(seconds * 1000) },
      };
    }
    case 'forbidden':
      return error(
        403,
        'invalid_request_error',
        null,
        'You have insufficient permissions for this operation. Missing scopes: model.request.',
      );
    case 'down':
      return error(503, 'service_unavailable_error', null, 'Service unavailable. Please try again later.');
    case 'overloaded':
      return error(
        503,
        'server_error',
        'server_is_overloaded',
        'The engine is currently overloaded, please try again later.',
      );
    case 'broken':
      return error(
        500,
        'server_error',
        null,
        'The server had an error while processing your request. Sorry about that!',
      );
    case 'unknown-model':
      return error(
        404,
        'invalid_request_error',
        'model_not_found',
        `The model \`${model}\` does not exist or you do not have access to it.`,
      );
    case 'retired-model':
      return error(
        404,
        'invalid_request_error',
        'model_not_found',
        `The model \`${model}\` has been deprecated and is no longer available.`,
      );
    case 'context-too-long':
      return error(
        400,
        'invalid_request_error',
        'context_length_exceeded',
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens. Please reduce the length of the messages.",
      );
    case 'body-too-large':
      return error(413, 'invalid_request_error', null, 'The request body is too large.');
    case 'blocked-prompt':
      return error(
        400,
        'invalid_request_error',
        'content_policy_violation',
        'Your request was rejected as a result of our safety system.',
      );
    case 'unknown-field':
      return error(400, 'invalid_request_error', null, `Unrecognized request argument supplied: ${detail}`);
    case 'bad-request':
      return error(400, 'invalid_request_error', null, detail);
    case 'unknown-path':
      return error(404, 'invalid_request_error', 'unknown_url', 'Invalid URL.');
    default:
      return refusal.reason satisfies never;
  }
}

const NO_KEY =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.";

function wrongKey(shown: string): string {
  return `Incorrect API key provided: ${shown}. You can find your API key at https://platform.openai.com/account/api-keys.`;
}

/** A key as OpenAI repeats it: the beginning and the end can still be read. */
function mask(secret: string): string {
  return secret.length > 12 ? `${secret.slice(0, 8)}***${secret.slice(-4)}` : '***';
}

function error(status: number, type: string, code: string | null, message: string): Reply {
  return { status, body: { error: { message, type, param: null, code } } };
}
