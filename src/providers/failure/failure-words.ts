/**
 * Words that mean the same for every sender: gateways forward the errors of all vendors, and vendors serve each other's models.
 * They are searched in an ErrorDescription's evidence, case-insensitively.
 * Gaps are bounded (`.{0,100}`, never `.*`): a provider's text must not cost quadratic time.
 */

/** The conversation is longer than the model takes. */
export const TOO_LONG = anyOf(
  /prompt (is )?too long|prompt[_ ]too[_ ]long|too_many_prompt_tokens|exceeded max context length/,
  /max(imum)? (context|prompt) length|context[_ ]length[_ ](is )?exceeded|context window|model_max_prompt_tokens/,
  /input token count.{0,100}exceeds|prompt token count.{0,100}exceeds|input is too long|input length.{0,60}exceeds/,
  /too large for model with|exceeds? context limit|(longer|greater) than the (model's )?context length/,
  /exceeds? the (available|model's) context (size|length)|exceed_context_size|context size (has been )?exceeded/,
  /reduce the length of (the|your|either) |tokens_limit_reached|exceeded model token limit|prompt exceeds max length/,
  /range of input length should be|trying to keep the first \d{1,12} tokens|string_above_max_length/,
  // The tokens that the conversation leaves for the answer.
  /max_(completion_|new_)?tokens.{0,20} must be (at least 1|greater than 0|positive).{0,20}-\d|inputs?`? must have less than/,
  /max_new_tokens`? must be <=/,
);

/** As TOO_LONG, but a limit per minute or day is worded the same. */
export const TOO_MANY_TOKENS = /token limit (reached|exceeded)|too many (input |prompt )?tokens/i;

/** The request alone is larger than the limit per minute that it is counted against, so waiting never helps. */
export const LARGER_THAN_LIMIT = /request (body )?too large for/i;

/** A limit of requests or tokens in a span of time. */
export const PER_TIME = /\brates?\b|rate_|\bper[ _-]?(second|minute|min|hour|day|month)|\bdaily\b|throttl/i;

/** The vendor, or a filter in front of the model, refused because of the content. */
export const CONTENT_REFUSED = anyOf(
  /content exists risk|content[_ -]?filter|content[_ ]polic|content management policy|responsible_?ai/,
  /(prompt|content|input|request|output).{0,100}(violat|(usage|content|safety) (polic|guidelines))|SAFETY_CHECK_TYPE/,
  /safety system|data_?inspection_?failed|sensitive_?content|contains? (inappropriate|sensitive)|敏感/,
  /input was flagged|moderation_blocked|considered high risk|guardrail|invalid_prompt/,
);

/** The account has no credit, or has used what a plan or a spending limit gives it. */
export const OUT_OF_CREDIT = anyOf(
  /insufficient_quota|credit_balance_exhausted|_(spend|usage)_limit_(exceeded|reached)|billing_(not_active|hard_limit)/,
  /access_terminated|credit balance is too low|API usage limits|credits are (depleted|exhausted)/,
  /used all available credits|monthly spending limit|credits or licenses/,
  /insufficient[_ ](account )?(balance|credits?|funds)|balance is insufficient|not[_ ]enough[_ ]balance|余额不足/,
  /\bkey limit exceeded|free ?tier ?only|arrearage|exceeded_current_quota/,
);

/** The vendor names the key itself as wrong. A bare "unauthorized" does not: proxies and overloaded gateways say it too. */
export const WRONG_KEY = anyOf(
  /invalid_api_key|api_key_invalid|account_deactivated|(incorrect|invalid|wrong|unknown|revoked) (x-)?(api|subscription)[ _-]?(key|token)/,
  /api[ _-]?(key|token).{0,60}\b(not valid|not found|(is|was|has been) (invalid|incorrect|revoked|disabled|deactivated|deleted|blocked))/,
);

export const KEY_HAS_EXPIRED = anyOf(/api[ _-]?key (has |is )?expired|expired[ _]api[ _-]?key|key_expired/);

/** The vendor knows the key and does not let it do this. */
export const NO_PERMISSION = anyOf(
  /missing scopes|insufficient permissions?|permission_error|permission[_-]denied|does not have permission/,
  /unsupported_country|not allowed to (use|access|perform)|model_access_denied|identity verification/,
);

export const MODEL_IS_GONE = anyOf(
  /\bmodels?\b.{0,100}\b(is|was|are|were|been) (deprecated|retired|decommissioned|discontinued|sunset|shut ?down)\b/,
  /\bmodels?\b.{0,100}\bno longer (available|supported|offered)\b|model_(decommissioned|deprecated|retired)/,
);

export const NO_SUCH_MODEL = anyOf(
  /model[ _-]?not[ _-]?(found|exist)|invalid[ _]model|unknown[ _]model|no such model|not a valid model|not a chat model/,
  /(?<!\/)\bmodels?\b.{0,100}\b(does not exist|not found)|deployment_?not_?found/,
);

/** A model or deployment is named at all, and not as part of a path. */
export const NAMES_A_MODEL = /(?<![/\w])models?(?!s?\/)|[a-z_]model\b|(?<!\/)deployment/i;

/** The path is one that the server does not have. */
export const NO_SUCH_PATH = anyOf(
  /unexpected endpoint|invalid url\b|unknown_url|unknown (endpoint|route|path)/,
);

export const OVERLOADED = anyOf(
  /overloaded|(at|over|out of|_)[ _]?capacity|capacity_exceeded|high demand|server is busy/,
);

function anyOf(...parts: readonly RegExp[]): RegExp {
  return new RegExp(parts.map(({ source }) => source).join('|'), 'im');
}
