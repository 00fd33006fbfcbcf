import { asNumber, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { findOutOfRange, textAt, unknownField } from './option-rules.ts';
import { isSignedBy } from './signature.ts';

const FIELDS =
  `model max_tokens messages system stream temperature top_p top_k stop_sequences thinking output_config
  cache_control tools tool_choice metadata service_tier mcp_servers container`.split(/\s+/);

/** How a model thinks: the types that it takes, and the efforts. */
export interface ThinkingRules {
  types: readonly string[];
  efforts: readonly string[];
  /** Whether it takes a temperature, top-p and top-k. */
  canSample: boolean;
  /** Whether it thinks without being asked to. */
  thinksByDefault: boolean;
  /** Whether its thinking stays empty unless its display is asked for. */
  isHidden: boolean;
}

const TO_MAX = ['low', 'medium', 'high', 'xhigh', 'max'];
const NEW = { efforts: TO_MAX, canSample: false, thinksByDefault: true, isHidden: true };
const OLD = { efforts: [], canSample: true, thinksByDefault: false, isHidden: false };

const RULES: readonly (readonly [RegExp, ThinkingRules])[] = [
  [/^claude-opus-5-5/, { ...NEW, types: ['adaptive'] }],
  [/^claude-sonnet-5-5/, { ...NEW, types: ['adaptive', 'between_tools'] }],
  [/^claude-(haiku-5-5|opus-5|sonnet-5)/, { ...NEW, types: ['adaptive', 'disabled'] }],
  [/^claude-(fable|mythos)-5/, { ...NEW, types: ['adaptive'] }],
  [/^claude-[a-z]+-4-[78]/, { ...NEW, types: ['adaptive', 'disabled'], thinksByDefault: false }],
  [
    /^claude-[a-z]+-4-6/,
    { ...OLD, types: ['adaptive', 'enabled', 'disabled'], efforts: ['low', 'medium', 'high', 'max'] },
  ],
  [/^claude-[a-z]+-4/, { ...OLD, types: ['enabled', 'disabled'] }],
];

const NO_THINKING: ThinkingRules = { ...OLD, types: [] };

/** The rules of a model by its name. */
export function thinkingRules(model: string): ThinkingRules {
  return RULES.find(([names]) => names.test(model))?.[1] ?? NO_THINKING;
}

/** How the thinking of an answer is sent: not at all, as a summary, or as a signature without text. */
export function displayOf(model: string, body: JsonObject): 'none' | 'summarized' | 'omitted' {
  const { types, thinksByDefault, isHidden } = thinkingRules(model);
  const type = textAt(body, 'thinking', 'type');
  const thinks = type === '' ? thinksByDefault : type === 'adaptive' || type === 'enabled';
  if (!thinks || types.length === 0) return 'none';
  const display = textAt(body, 'thinking', 'display');
  return display === 'summarized' || (display === '' && !isHidden) ? 'summarized' : 'omitted';
}

/** Why Anthropic refuses the fields of a request, in its own words; null if it does not. */
export function refuseFields(body: JsonObject): string | null {
  const model = asText(body.model);
  const field = unknownField(body, FIELDS);
  if (field) return `${field}: Extra inputs are not permitted`;
  const cache = asObject(body.cache_control);
  if (cache && cache.type !== 'ephemeral') return "cache_control.type: Input should be 'ephemeral'";
  if (cache?.ttl !== undefined && cache.ttl !== '5m' && cache.ttl !== '1h')
    return "cache_control.ttl: Input should be '5m' or '1h'";
  const outside = findOutOfRange(body, { temperature: [0, 1], top_p: [0, 1] });
  if (outside) return `${outside.name}: range: ${outside.min}..${outside.max}`;
  return refuseThinking(model, body) ?? refuseEffort(model, body) ?? refuseSampling(model, body);
}

function refuseThinking(model: string, body: JsonObject): string | null {
  const thinking = asObject(body.thinking);
  if (thinking === null) return null;
  const { types } = thinkingRules(model);
  const type = asText(thinking.type);
  if (types.length === 0) return 'thinking: Extended thinking is not supported for this model.';
  if (!types.includes(type)) {
    return type === 'adaptive'
      ? 'adaptive thinking is not supported on this model'
      : `"thinking.type.${type}" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.`;
  }
  if (type !== 'enabled') return null;
  const budget = asNumber(thinking.budget_tokens);
  if (budget === null) return 'thinking.enabled.budget_tokens: Field required';
  if (budget < 1_024) return 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024';
  if (budget >= (asNumber(body.max_tokens) ?? 0))
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  return null;
}

function refuseEffort(model: string, body: JsonObject): string | null {
  const effort = textAt(body, 'output_config', 'effort');
  if (effort === '') return null;
  const { efforts } = thinkingRules(model);
  if (efforts.length === 0) return 'This model does not support the effort parameter.';
  if (efforts.includes(effort)) return null;
  return `This model does not support effort level '${effort}'. Supported levels: ${efforts.toSorted().join(', ')}.`;
}

function refuseSampling(model: string, body: JsonObject): string | null {
  const { canSample } = thinkingRules(model);
  const sampled = ['temperature', 'top_p', 'top_k'].filter((name) => body[name] !== undefined);
  const [first] = sampled;
  if (first === undefined) return null;
  if (!canSample) return `\`${first}\` is deprecated for this model.`;
  if (sampled.includes('temperature') && sampled.includes('top_p'))
    return '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
  if (displayOf(model, body) === 'none') return null;
  if (body.temperature !== undefined && body.temperature !== 1)
    return '`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.';
  if ((asNumber(body.top_p) ?? 1) < 0.95)
    return '`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled or in adaptive mode.';
  return null;
}

/** Why Anthropic refuses the thinking in the conversation; null if it does not. */
export function refuseSignatures(model: string, messages: readonly JsonObject[]): string | null {
  for (const [number, message] of messages.entries()) {
    for (const [index, block] of asObjects(message.content).entries()) {
      const place = `messages.${number}.content.${index}`;
      if (block.type !== 'thinking') continue;
      if (asText(block.signature) === '') return `${place}.thinking.signature: Field required`;
      const isHidden = asText(block.thinking) === '';
      if (!isSignedBy(model, asText(block.signature), isHidden ? undefined : asText(block.thinking)))
        return `${place}: Invalid \`signature\` in \`thinking\` block`;
    }
  }
  return null;
}
