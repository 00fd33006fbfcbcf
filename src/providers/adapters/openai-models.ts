import type { ReasoningEffort } from '../options.ts';

/** The base of a fine-tuned model, e.g. `gpt-4.1-mini` of `ft:gpt-4.1-mini:acme:image-bot:B7x`; of other models the name. */
export function baseOf(model: string): string {
  const [prefix, base] = model.split(':');
  return prefix === 'ft' && base ? base : model;
}

/** The o-series, and GPT from 5 on unless it is the `-chat` variant. */
export function isReasoner(model: string): boolean {
  const base = baseOf(model);
  if (/^(o\d|codex-)/.test(base)) return true;
  const major = Number(/^gpt-(\d+)/.exec(base)?.[1] ?? 0);
  return major >= 5 && !base.includes('-chat');
}

/** Fine-tuned models and the first generations, which are older than Responses. */
export function speaksOnlyChat(model: string): boolean {
  return /^(ft:|gpt-(3\.5|4)(-|$))/.test(model);
}

/** The efforts that a model takes, and its own one; none for a model that is not in the table. */
export function effortsOf(model: string): {
  efforts: readonly ReasoningEffort[];
  defaultEffort: ReasoningEffort | null;
} {
  const base = baseOf(model);
  const [, efforts = [], defaultEffort = null] = EFFORTS.find(([names]) => names.test(base)) ?? [];
  return isReasoner(model) ? { efforts, defaultEffort } : { efforts: [], defaultEffort: null };
}

const LOW_TO_HIGH = ['LOW', 'MEDIUM', 'HIGH'] as const;
const LOW_TO_MAX = [...LOW_TO_HIGH, 'XHIGH', 'MAX'] as const;

/** OpenAI's list says nothing about efforts. The first entry that matches a name counts. */
const EFFORTS: readonly (readonly [RegExp, readonly ReasoningEffort[], ReasoningEffort | null])[] = [
  [/deep-research|^o1-(mini|preview)/, [], null],
  [/^o\d/, LOW_TO_HIGH, 'MEDIUM'],
  [/codex/, LOW_TO_HIGH, null],
  [/^gpt-6-(sol|luna)/, ['NONE', ...LOW_TO_MAX], 'MEDIUM'],
  [/^gpt-6/, LOW_TO_MAX, null],
  [/^gpt-5-pro/, ['HIGH'], 'HIGH'],
  [/^gpt-5\.\d-pro/, ['MEDIUM', 'HIGH', 'XHIGH'], 'MEDIUM'],
  [/^gpt-5\.[6-9]/, ['NONE', ...LOW_TO_MAX], 'MEDIUM'],
  [/^gpt-5\.[2-5]/, ['NONE', ...LOW_TO_HIGH, 'XHIGH'], 'NONE'],
  [/^gpt-5\.1/, ['NONE', ...LOW_TO_HIGH], 'NONE'],
  [/^gpt-5(-|$)/, ['MINIMAL', ...LOW_TO_HIGH], 'MEDIUM'],
];
