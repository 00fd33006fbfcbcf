import type { Refusal, Reply } from './provider.ts';

/** How xAI words a refusal: flat, a wrong key as status 400, and with the team's id in some texts. */
export function xaiRefusal(refusal: Refusal): Reply {
  const { model, secret, detail } = refusal;
  switch (refusal.reason) {
    case 'no-key':
      return error(401, 'unauthenticated:no-credentials', 'No credentials were provided with this request.');
    case 'wrong-key':
      return error(
        400,
        'Client specified an invalid argument',
        wrongKey(`${secret.slice(0, 2)}***${secret.slice(-2)}`),
      );
    case 'echoed-key':
      return error(400, 'Client specified an invalid argument', wrongKey(secret));
    case 'expired-key':
      return error(403, 'unauthenticated:bad-credentials', 'The OAuth2 access token could not be validated.');
    case 'no-credit':
      return error(
        403,
        NO_PERMISSION,
        `Your team ${TEAM_ID} has either used all available credits or reached its monthly spending limit.`,
      );
    case 'rate-limited':
      return {
        ...error(
          429,
          'Some resource has been exhausted',
          `Too many requests for team ${TEAM_ID}. Rate limit reached.`,
        ),
        headers: { 'retry-after': String(refusal.retryAfterSeconds), 'x-ratelimit-remaining-requests': '0' },
      };
    case 'forbidden':
      return error(403, NO_PERMISSION, `API key is not allowed to use this endpoint. Team: ${TEAM_ID}`);
    case 'down':
    case 'overloaded':
      return error(503, 'The service is currently unavailable', 'The service is temporarily overloaded.');
    case 'broken':
      return error(500, 'internal-error', 'Internal server error');
    case 'unknown-model':
      return error(
        404,
        'not-found',
        `The model ${model} does not exist or your team ${TEAM_ID} does not have access to it. If you believe this is a mistake, please contact support.`,
      );
    case 'retired-model':
      return error(404, 'not-found', `The model ${model} was deprecated and is no longer available.`);
    case 'context-too-long':
      return error(
        400,
        'Client specified an invalid argument',
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
      );
    case 'body-too-large':
      return error(413, 'Client specified an invalid argument', 'The request body is too large.');
    case 'blocked-prompt':
      return error(
        403,
        NO_PERMISSION,
        'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_SIMULATED',
      );
    case 'unknown-field':
      return error(422, 'Client specified an invalid argument', `unknown field \`${detail}\``);
    case 'bad-request':
      return error(400, 'Client specified an invalid argument', detail);
    case 'unknown-path':
      return error(404, 'not-found', 'The requested path does not exist.');
    default:
      return refusal.reason satisfies never;
  }
}

const TEAM_ID = '00000000-0000-4000-8000-000000000002';
const NO_PERMISSION = 'The caller does not have permission to execute the specified operation';

function wrongKey(shown: string): string {
  return `Incorrect API key provided: ${shown}. You can obtain an API key from https://console.x.ai.`;
}

function error(status: number, code: string, message: string): Reply {
  return { status, body: { code, error: message } };
}
