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

export type ModelCapability = 'IMAGE_INPUT' | 'PDF_INPUT' | 'REASONING' | 'WEB_SEARCH';

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

/** What a provider says about the options of its models. */
export interface OptionRules {
  /** Which options a model takes, each by itself. An option of which that is not known is not taken. */
  optionSupport(model: AskedModel): OptionSupport;
  /** The first option that excludes another one; absent if none does. To be called with options that are taken by themselves. */
  findOptionConflict?(model: AskedModel, options: AnswerOptions): OptionRefusal | null;
}

/** The first option that the model does not take, alone or with the others; null if it takes them all. */
export function findRefusedOption(
  provider: OptionRules,
  model: AskedModel,
  options: AnswerOptions,
): OptionRefusal | null {
  const support = provider.optionSupport(model);
  const [refused] = Object.entries(reasonsAgainst(support, options)).filter(([, reason]) => reason !== null);
  if (refused?.[1]) return { option: refused[0] as OptionName, reason: refused[1] };
  return findShortLimit(options) ?? provider.findOptionConflict?.(model, options) ?? null;
}

/** Why each option is not taken, each by itself; null where it is. */
function reasonsAgainst(support: OptionSupport, options: AnswerOptions): Record<OptionName, string | null> {
  const { efforts, maxStopWords } = support;
  const { systemPrompt, effort, stop } = options;
  const stopWords = stop?.length ?? 0;
  return {
    systemPrompt:
      systemPrompt === null || support.supportsSystemPrompt
        ? null
        : 'takes no system prompt; put the instructions into the message',
    effort: effort === null || efforts.includes(effort) ? null : reasonAgainstEffort(effort, efforts),
    temperature: reasonAgainstNumber('temperature', options.temperature, support.temperature),
    topP: reasonAgainstNumber('top-p', options.topP, support.topP),
    maxOutputTokens: reasonAgainstNumber('output limit', options.maxOutputTokens, support.maxOutputTokens),
    stop:
      stopWords <= maxStopWords
        ? null
        : maxStopWords === 0
          ? 'takes no stop words; leave them out'
          : `takes at most ${maxStopWords} stop words; leave some out`,
    webSearch:
      options.webSearch !== true || support.supportsWebSearch
        ? null
        : 'cannot search the web yet, which comes later; leave the web search out or choose a model of Perplexity',
  };
}

function reasonAgainstEffort(effort: ReasoningEffort, efforts: readonly ReasoningEffort[]): string {
  return efforts.length === 0
    ? 'takes no effort; leave it out'
    : `does not take the effort ${effort}; choose ${LIST.format(efforts)}`;
}

function reasonAgainstNumber(noun: string, value: number | null, range: OptionRange | null): string | null {
  if (value === null) return null;
  if (range === null) return `takes no ${noun}; leave it out`;
  if (value >= range.min && value <= range.max) return null;
  return `takes no ${noun} of ${NUMBER.format(value)}; choose one from ${NUMBER.format(range.min)} to ${NUMBER.format(range.max)}`;
}

/** Reasoning is part of the output at every provider, so a small limit would leave nothing for the text. */
function findShortLimit({ effort, maxOutputTokens }: AnswerOptions): OptionRefusal | null {
  const isShort = maxOutputTokens !== null && maxOutputTokens < FEWEST_TOKENS_TO_THINK;
  if (effort === null || !isShort || REASONING_EFFORTS.indexOf(effort) <= REASONING_EFFORTS.indexOf('LOW')) {
    return null;
  }
  return {
    option: 'maxOutputTokens',
    reason: `needs an output limit of at least ${NUMBER.format(FEWEST_TOKENS_TO_THINK)} for the effort ${effort}; raise the limit or choose a lower effort`,
  };
}

const FEWEST_TOKENS_TO_THINK = 1_024;
const NUMBER = new Intl.NumberFormat('en');
const LIST = new Intl.ListFormat('en', { type: 'disjunction' });

/** The efforts among the words of a provider's list, from least to most. */
export function effortsIn(words: readonly unknown[]): ReasoningEffort[] {
  const known = new Set(words.map((word) => String(word).toUpperCase()));
  return REASONING_EFFORTS.filter((effort) => known.has(effort));
}

/** The provider's word of an effort, in small letters. */
export function effortWord(effort: ReasoningEffort): string {
  return effort.toLowerCase();
}

/** Option facts of a list that says only some of them. */
export function optionFacts(known: Partial<OptionFacts>): OptionFacts {
  return {
    efforts: null,
    defaultEffort: null,
    maxTemperature: null,
    parameters: null,
    thinking: null,
    ...known,
  };
}
