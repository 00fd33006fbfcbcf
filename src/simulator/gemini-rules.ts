import { asNumber, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { findOutOfRange, unknownField } from './option-rules.ts';
import { isSignedBy } from './signature.ts';

const CONFIG_FIELDS =
  `temperature topP topK maxOutputTokens stopSequences candidateCount thinkingConfig responseMimeType
  responseSchema presencePenalty frequencyPenalty seed mediaResolution`.split(/\s+/);
const THINKING_FIELDS = ['includeThoughts', 'thinkingLevel', 'thinkingBudget'];

/** Whether a model of this name thinks. */
export function doesThink(model: string): boolean {
  return /^gemini-(2\.5|3)/.test(model) || model === 'gemini-sim-reasoning';
}

/** Why Gemini refuses a configuration, in its own words; null if it does not. */
export function refuseConfig(model: string, config: JsonObject): string | null {
  const field = unknownField(config, CONFIG_FIELDS);
  if (field)
    return `Invalid JSON payload received. Unknown name "${field}" at 'generation_config': Cannot find field.`;
  const outside = findOutOfRange(config, { temperature: [0, 2], topP: [0, 1] });
  if (outside) return `${outside.name} must be in the range [${outside.min}, ${outside.max}].`;
  const thinking = asObject(config.thinkingConfig);
  return thinking && refuseThinking(model, thinking);
}

function refuseThinking(model: string, thinking: JsonObject): string | null {
  const field = unknownField(thinking, THINKING_FIELDS);
  if (field)
    return `Invalid JSON payload received. Unknown name "${field}" at 'generation_config.thinking_config': Cannot find field.`;
  if (!doesThink(model)) return 'Thinking is not enabled for this model.';
  const level = asText(thinking.thinkingLevel).toUpperCase();
  const budget = asNumber(thinking.thinkingBudget);
  if (level !== '' && budget !== null)
    return 'You can only set only one of thinking budget and thinking level.';
  if (budget === 0 && thinking.includeThoughts === true)
    return 'Include_thoughts is only enabled when thinking is enabled.';
  return level === '' ? refuseBudget(model, budget) : refuseLevel(model, level);
}

function refuseLevel(model: string, level: string): string | null {
  if (model.startsWith('gemini-2')) return 'Thinking level is not supported for this model.';
  const takesMinimal = model.includes('flash') && !model.startsWith('gemini-3.7');
  const levels = [...(takesMinimal ? ['MINIMAL'] : []), 'LOW', 'MEDIUM', 'HIGH'];
  return levels.includes(level) ? null : `Thinking level ${level} is not supported for this model.`;
}

function refuseBudget(model: string, budget: number | null): string | null {
  if (budget === null || budget === -1) return null;
  const [min, max] = model.includes('pro')
    ? [128, 32_768]
    : model.includes('lite')
      ? [512, 24_576]
      : [0, 24_576];
  if ((budget >= min && budget <= max) || (budget === 0 && !model.includes('pro'))) return null;
  return `The thinking budget ${budget} is invalid. Please choose a value between ${min} and ${max}.`;
}

/** Why Gemini refuses what was sent besides the configuration; null if it does not. */
export function refuseContents(model: string, body: JsonObject): string | null {
  if (model.startsWith('gemma-') && body.systemInstruction !== undefined)
    return `Developer instruction is not enabled for models/${model}`;
  const parts = asObjects(body.contents).flatMap((content) => asObjects(content.parts));
  const isForeign = (part: JsonObject) =>
    part.thoughtSignature !== undefined && !isSignedBy(model, asText(part.thoughtSignature));
  return parts.some(isForeign) ? 'Thought signature is not valid.' : null;
}
