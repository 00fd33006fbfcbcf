import type { ModelCapability, Provider } from './provider.ts';

/** How much a model is to think before it answers, from least to most. */
export const REASONING_EFFORTS = ['NONE', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH', 'XHIGH', 'MAX'] as const;

export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How a model is to answer, beside the conversation. Null leaves an option to the provider. */
export interface AnswerOptions {
  systemPrompt: string | null;
  effort: ReasoningEffort | null;
  temperature: number | null;
  topP: number | null;
  /** Most tokens to write, reasoning included. */
  maxOutputTokens: number | null;
  /** Texts before which the model stops; null or empty for none. */
  stop: readonly string[] | null;
  webSearch: boolean | null;
}

export type OptionName = keyof AnswerOptions;

export const NO_OPTIONS: AnswerOptions = {
  systemPrompt: null,
  effort: null,
  temperature: null,
  topP: null,
  maxOutputTokens: null,
  stop: null,
  webSearch: null,
};

/** Both ends are allowed values. */
export interface OptionRange {
  min: number;
  max: number;
}

/** Which options a model takes. A range that is null: the option is not taken. */
export interface OptionSupport {
  /** Empty if the effort cannot be chosen. */
  efforts: readonly ReasoningEffort[];
  /** The effort without the option; null if it is not known. */
  defaultEffort: ReasoningEffort | null;
  temperature: OptionRange | null;
  topP: OptionRange | null;
  maxOutputTokens: OptionRange | null;
  /** Zero if stop words are not taken. */
  maxStopWords: number;
  supportsSystemPrompt: boolean;
  supportsWebSearch: boolean;
}

/** What is known about a model that decides how it is asked. */
export interface AskedModel {
  /** The provider's own name of the model. */
  name: string;
  maxOutputTokens: number | null;
  capabilities: readonly ModelCapability[];
  /** Null if the provider's list says nothing about options. */
  optionFacts: OptionFacts | null;
}

/** What a provider's list says about the options of a model; null where it is silent. */
export interface OptionFacts {
  efforts: readonly ReasoningEffort[] | null;
  defaultEffort: ReasoningEffort | null;
  maxTemperature: number | null;
  /** Names of the request's parameters that the model takes (OpenRouter's `supported_parameters`). */
  parameters: readonly string[] | null;
  /** Ways of thinking that an Anthropic model takes, e.g. `adaptive`, `enabled`, `disabled`. */
  thinking: readonly string[] | null;
}

/** An option that a model does not take, and why, as the end of a sentence that begins with the model's title. */
export interface OptionRefusal {
  option: OptionName;
  reason: string;
}

/** The first option that the model does not take, alone or with the others; null if it takes them all. */
export type FindRefusedOption = (
  provider: Pick<Provider, 'name' | 'title'>,
  model: AskedModel,
  options: AnswerOptions,
) => OptionRefusal | null;

// To be replaced by what each provider says of its models.

export function optionSupport({ maxOutputTokens }: AskedModel): OptionSupport {
  return {
    efforts: [],
    defaultEffort: null,
    temperature: { min: 0, max: 2 },
    topP: { min: 0, max: 1 },
    maxOutputTokens: { min: 1, max: maxOutputTokens ?? 1_000_000 },
    maxStopWords: 4,
    supportsSystemPrompt: true,
    supportsWebSearch: false,
  };
}

export const findRefusedOption: FindRefusedOption = (_provider, model, options) => {
  const support = optionSupport(model);
  for (const option of ['temperature', 'topP', 'maxOutputTokens'] as const) {
    const [value, range] = [options[option], support[option]];
    if (value !== null && range !== null && (value < range.min || value > range.max))
      return { option, reason: `takes ${option} from ${range.min} to ${range.max}` };
  }
  if (options.effort !== null) return { option: 'effort', reason: 'takes no effort' };
  if (options.webSearch === true) return { option: 'webSearch', reason: 'does not search the web' };
  return null;
};
