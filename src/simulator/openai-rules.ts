import { asNumber, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { findOutOfRange, textAt, unknownField } from './option-rules.ts';
import type { ModelFacts, Reply, TokenCounts } from './provider.ts';
import { isSignedBy } from './signature.ts';

const CHAT_FIELDS =
  `model messages stream stream_options store max_tokens max_completion_tokens temperature top_p stop
  reasoning_effort prompt_cache_key presence_penalty frequency_penalty n seed user metadata tools tool_choice logprobs
  response_format service_tier web_search_options verbosity`.split(/\s+/);

const RESPONSES_FIELDS =
  `model input instructions stream stream_options store max_output_tokens temperature top_p reasoning
  include prompt_cache_key tools tool_choice parallel_tool_calls previous_response_id metadata user service_tier text
  truncation background`.split(/\s+/);

const RANGES = { temperature: [0, 2], top_p: [0, 1] } as const;

/** Why OpenAI refuses a chat completion; null if it does not. */
export function refuseChat(model: ModelFacts | undefined, body: JsonObject): Reply | null {
  const field = unknownField(body, CHAT_FIELDS);
  if (field) return refused(`Unrecognized request argument supplied: ${field}`, null, null);
  const wrong = asObjects(body.messages).find(({ role }) => !CHAT_ROLES.includes(asText(role)));
  if (wrong) return wrongRole(wrong, CHAT_ROLES);
  const effort = asText(body.reasoning_effort);
  return refuseOptions(model, body, effort, 'reasoning_effort') ?? refuseReasoner(model, body, effort);
}

const CHAT_ROLES = ['system', 'assistant', 'user', 'function', 'tool', 'developer'];

/** Why OpenAI refuses a request of its Responses API; null if it does not. */
export function refuseResponses(model: ModelFacts | undefined, body: JsonObject): Reply | null {
  const field = unknownField(body, RESPONSES_FIELDS);
  if (field) return refused(`Unknown parameter: '${field}'.`, field, 'unknown_parameter');
  if (asText(body.model).startsWith('ft:')) {
    return refused('The requested model is not supported with the Responses API.', 'model', null);
  }
  const limit = asNumber(body.max_output_tokens);
  if (limit !== null && limit < 16) {
    const message = `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got ${limit} instead.`;
    return refused(message, 'max_output_tokens', 'integer_below_min_value');
  }
  const effort = textAt(body, 'reasoning', 'effort');
  if (model && !model.reasons && body.reasoning !== undefined) {
    return unsupported('reasoning.effort');
  }
  return (
    refuseOptions(model, body, effort, 'reasoning.effort') ??
    refuseSampling(model, body, effort) ??
    refuseInput(model, body)
  );
}

const INPUT_ROLES = ['assistant', 'system', 'developer', 'user'];

function refuseInput(model: ModelFacts | undefined, body: JsonObject): Reply | null {
  const includes = Array.isArray(body.include) ? body.include : [];
  if (model && !model.reasons && includes.includes('reasoning.encrypted_content')) {
    return refused('Encrypted content is not supported with this model.', 'include', null);
  }
  const items = asObjects(body.input);
  for (const [index, item] of items.entries()) {
    if (item.type === 'reasoning') {
      const content = asText(item.encrypted_content);
      if (!isSignedBy(asText(body.model), content)) {
        const message = `The encrypted content ${content.slice(0, 8)}... could not be verified. Reason: Encrypted content could not be decrypted or parsed.`;
        return refused(message, null, 'invalid_encrypted_content');
      }
      if (items.slice(index).every(({ role }) => role !== 'assistant')) {
        return refused(
          "Item of type 'reasoning' was provided without its required following item.",
          'input',
          null,
        );
      }
    } else if (!INPUT_ROLES.includes(asText(item.role))) return wrongRole(item, INPUT_ROLES);
  }
  return null;
}

function refuseOptions(
  model: ModelFacts | undefined,
  body: JsonObject,
  effort: string,
  param: string,
): Reply | null {
  const outside = findOutOfRange(body, RANGES);
  if (outside) {
    const { name, value, min, max } = outside;
    const isLow = value < min;
    const message = `Invalid '${name}': decimal ${isLow ? 'below minimum' : 'above maximum'} value. Expected a value ${isLow ? `>= ${min}` : `<= ${max}`}, but got ${value} instead.`;
    return refused(message, name, isLow ? 'decimal_below_min_value' : 'decimal_above_max_value');
  }
  if (!model || effort === '') return null;
  if (model.efforts.length === 0) return unsupported(param);
  if (model.efforts.includes(effort)) return null;
  const values = LIST.format(model.efforts.map((word) => `'${word}'`));
  const message = `Unsupported value: '${effort}' is not supported with the '${model.id}' model. Supported values are: ${values}.`;
  return refused(message, param, 'unsupported_value');
}

const LIST = new Intl.ListFormat('en');

/** What models that reason refuse on chat completions: `max_tokens`, sampling, and for some of them `stop`. */
function refuseReasoner(model: ModelFacts | undefined, body: JsonObject, effort: string): Reply | null {
  if (!model?.reasons) return null;
  if (body.max_tokens !== undefined)
    return unsupported('max_tokens', " Use 'max_completion_tokens' instead.");
  if (body.stop !== undefined) return unsupported('stop');
  return refuseSampling(model, body, effort);
}

function refuseSampling(model: ModelFacts | undefined, body: JsonObject, effort: string): Reply | null {
  const isOff = effort === 'none' || (effort === '' && /^gpt-5\.[1-5]/.test(model?.id ?? ''));
  if (!model?.reasons || isOff) return null;
  const name = ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'logprobs'].find(
    (each) => body[each] !== undefined && body[each] !== 1,
  );
  return name === undefined ? null : unsupported(name);
}

function wrongRole(item: JsonObject, roles: readonly string[]): Reply {
  const values = LIST.format(roles.map((role) => `'${role}'`));
  return refused(
    `Invalid value: '${asText(item.role)}'. Supported values are: ${values}.`,
    null,
    'invalid_value',
  );
}

function unsupported(name: string, advice = ''): Reply {
  const message = `Unsupported parameter: '${name}' is not supported with this model.${advice}`;
  return refused(message, name, 'unsupported_parameter');
}

/** OpenAI's refusal of a request, with the parameter that it is about. */
export function refused(message: string, param: string | null, code: string | null): Reply {
  return { status: 400, body: { error: { message, type: 'invalid_request_error', param, code } } };
}

/** True when encrypted reasoning was asked for. */
export function asksForEncrypted(body: JsonObject): boolean {
  return Array.isArray(body.include) && body.include.includes('reasoning.encrypted_content');
}

/** What models from gpt-5.6 on tell about the writing of their cache. */
export function writtenTokens(model: string, tokens: TokenCounts): object {
  return /^gpt-(5\.[6-9]|[6-9])/.test(model) ? { cache_write_tokens: tokens.written } : {};
}

/** The usage of a response. */
export function responsesUsage(tokens: TokenCounts, details: object = {}): object {
  return {
    input_tokens: tokens.input,
    input_tokens_details: { cached_tokens: tokens.cached, ...details },
    output_tokens: tokens.text + tokens.reasoning,
    output_tokens_details: { reasoning_tokens: tokens.reasoning },
    total_tokens: tokens.input + tokens.text + tokens.reasoning,
  };
}

/** Whether the padding against traffic analysis was left on. */
export function wantsPadding(body: JsonObject): boolean {
  return asObject(body.stream_options)?.include_obfuscation !== false;
}
