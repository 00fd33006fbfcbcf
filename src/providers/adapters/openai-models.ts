import {
  type Efforts,
  type ManualEntry,
  type ManualFacts,
  NO_EFFORTS,
  readManualFacts,
} from '../manual-facts.ts';

/** The base of a fine-tuned model, e.g. `gpt-4.1-mini` of `ft:gpt-4.1-mini:acme:image-bot:B7x`; of other models the name. */
export function baseOf(model: string): string {
  const [prefix, base] = model.split(':');
  return prefix === 'ft' && base ? base : model;
}

/** What OpenAI's documentation says about a model; its list says nothing of that. */
export function openAiFacts(model: string): ManualFacts {
  return readManualFacts(FACTS, baseOf(model));
}

/** The o-series, and GPT from 5 on unless it is the `-chat` variant. */
export function isReasoner(model: string): boolean {
  return openAiFacts(model).capabilities?.value.includes('REASONING') === true;
}

/** Fine-tuned models and the first generations, which are older than Responses. */
export function speaksOnlyChat(model: string): boolean {
  return /^(ft:|gpt-(3\.5|4)(-|$))/.test(model);
}

/** The efforts that a model takes, and its own one; none for a model that is not in the table. */
export function effortsOf(model: string): Efforts {
  return openAiFacts(model).efforts?.value ?? NO_EFFORTS;
}

const LOW_TO_HIGH = ['LOW', 'MEDIUM', 'HIGH'] as const;
const LOW_TO_MAX = [...LOW_TO_HIGH, 'XHIGH', 'MAX'] as const;
const asOf = '2026-11-28'; // the page of each model, and the guides to reasoning, images and files

const SEES = ['IMAGE_INPUT', 'PDF_INPUT'] as const;

const FACTS: readonly ManualEntry[] = [
  { models: /^(o\d|gpt-).*deep-research/, asOf, capabilities: ['REASONING', 'WEB_SEARCH'], efforts: [] },
  { models: /^gpt-.*-chat/, asOf, capabilities: SEES, efforts: [] },
  { models: /^(o1-(mini|preview)|o3-mini|codex-|.*-spark)/, asOf, capabilities: ['REASONING'] },
  { models: /^(o\d|gpt-([5-9]|[1-9]\d))/, asOf, capabilities: ['REASONING', ...SEES] },
  { models: /^(gpt-4o|gpt-4\.[15]|chatgpt-)/, asOf, capabilities: SEES },
  { models: /^gpt-4-turbo(?!-preview)/, asOf, capabilities: ['IMAGE_INPUT'] },
  { models: /^o1-(mini|preview)/, asOf, efforts: [] },
  { models: /^o\d/, asOf, efforts: LOW_TO_HIGH, defaultEffort: 'MEDIUM' },
  { models: /^(codex-|gpt-[5-9].*codex)/, asOf, efforts: LOW_TO_HIGH },
  { models: /^gpt-6-(sol|luna)/, asOf, efforts: ['NONE', ...LOW_TO_MAX], defaultEffort: 'MEDIUM' },
  { models: /^gpt-6/, asOf, efforts: LOW_TO_MAX },
  { models: /^gpt-5-pro/, asOf, efforts: ['HIGH'], defaultEffort: 'HIGH' },
  { models: /^gpt-5\.\d-pro/, asOf, efforts: ['MEDIUM', 'HIGH', 'XHIGH'], defaultEffort: 'MEDIUM' },
  { models: /^gpt-5\.[6-9]/, asOf, efforts: ['NONE', ...LOW_TO_MAX], defaultEffort: 'MEDIUM' },
  { models: /^gpt-5\.[2-5]/, asOf, efforts: ['NONE', ...LOW_TO_HIGH, 'XHIGH'], defaultEffort: 'NONE' },
  { models: /^gpt-5\.1/, asOf, efforts: ['NONE', ...LOW_TO_HIGH], defaultEffort: 'NONE' },
  { models: /^gpt-5(-|$)/, asOf, efforts: ['MINIMAL', ...LOW_TO_HIGH], defaultEffort: 'MEDIUM' },
];
