import { dataFrame } from './frame.ts';
import type { Refusal, Reply } from './provider.ts';

/** How Gemini words a refusal. A prompt it blocks is no error there: status 200, and an event without an answer. */
export function geminiRefusal(refusal: Refusal): Reply {
  const { model, secret, detail, retryAfterSeconds } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(
        403,
        'PERMISSION_DENIED',
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
      );
    case 'wrong-key':
      // Current keys are refused like tokens; the older AIza keys were refused like invalid arguments.
      return secret.startsWith('AIza')
        ? error(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [KEY_INVALID])
        : error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.', [
            TOKEN_UNSUPPORTED,
          ]);
    case 'echoed-key':
      return error(400, 'INVALID_ARGUMENT', `API key not valid: ${secret}. Please pass a valid API key.`, [
        KEY_INVALID,
      ]);
    case 'expired-key':
      return error(400, 'INVALID_ARGUMENT', 'API key expired. Please renew the API key.', [KEY_INVALID]);
    case 'no-credit':
      return error(429, 'RESOURCE_EXHAUSTED', `${QUOTA} limit: 0. Please retry in 34.4s.`, [
        quotaFailure('GenerateRequestsPerDayPerProjectPerModel-FreeTier'),
        retryInfo(34.4),
      ]);
    case 'rate-limited':
      return error(429, 'RESOURCE_EXHAUSTED', `${QUOTA} Please retry in ${retryAfterSeconds}s.`, [
        quotaFailure('GenerateRequestsPerMinutePerProjectPerModel-FreeTier'),
        retryInfo(retryAfterSeconds),
      ]);
    case 'forbidden':
      return error(403, 'PERMISSION_DENIED', 'Requests to this API are blocked.', [
        errorInfo('API_KEY_SERVICE_BLOCKED'),
      ]);
    case 'down':
      return error(503, 'UNAVAILABLE', 'The service is currently unavailable.');
    case 'overloaded':
      return error(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.');
    case 'broken':
      return error(500, 'INTERNAL', 'An internal error has occurred.');
    case 'unknown-model':
      return error(
        404,
        'NOT_FOUND',
        `models/${model} is not found for API version v1beta, or is not supported for generateContent.`,
      );
    case 'retired-model':
      return error(404, 'NOT_FOUND', `This model models/${model} is no longer available to new users.`);
    case 'context-too-long':
      return error(
        400,
        'INVALID_ARGUMENT',
        'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
      );
    case 'body-too-large':
      return error(400, 'INVALID_ARGUMENT', 'Request payload size exceeds the limit.');
    case 'blocked-prompt':
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: dataFrame({
          promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
          usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 },
          modelVersion: model,
        }),
      };
    case 'unknown-field':
      return error(
        400,
        'INVALID_ARGUMENT',
        `Invalid JSON payload received. Unknown name "${detail}": Cannot find field.`,
      );
    case 'bad-request':
      return error(400, 'INVALID_ARGUMENT', detail);
    case 'unknown-path':
      return error(404, 'NOT_FOUND', 'Requested entity was not found.');
    default:
      return refusal.reason satisfies never;
  }
}

const QUOTA = 'You exceeded your current quota, please check your plan.';
const KEY_INVALID = errorInfo('API_KEY_INVALID');
const TOKEN_UNSUPPORTED = errorInfo('ACCESS_TOKEN_TYPE_UNSUPPORTED');

function errorInfo(reason: string): object {
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' };
}

function quotaFailure(quotaId: string): object {
  return { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{ quotaId }] };
}

function retryInfo(seconds: number): object {
  return { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` };
}

/** Errors are pretty-printed JSON, labelled as an event stream: that is how the stream's own address sends them. */
function error(code: number, status: string, message: string, details: object[] = []): Reply {
  const whole = { error: { code, message, status, ...(details.length > 0 ? { details } : {}) } };
  return {
    status: code,
    headers: { 'content-type': 'text/event-stream' },
    body: `${JSON.stringify(whole, null, 2)}\n`,
  };
}
