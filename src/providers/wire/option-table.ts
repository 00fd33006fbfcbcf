import type { JsonObject } from '../json.ts';
import type { AnswerOptions, AskedModel, OptionRange, OptionRefusal, OptionSupport } from '../options.ts';

/**
 * How one family of providers takes the options that are numbers or texts: the field of the request, and the values that are
 * allowed. An option without an entry is not taken. The effort has a place of its own in every family, so its adapters write it.
 */
export interface OptionTable {
  temperature: NumberField;
  topP: NumberField;
  maxOutputTokens: { field: string; min: number };
  stop?: { field: string; maxWords: number };
}

type NumberField = OptionRange & { field: string };

const TOP_P = { field: 'top_p', min: 0, max: 1 };

/** OpenAI-compatible chat completions. */
export const CHAT_OPTIONS: OptionTable = {
  temperature: { field: 'temperature', min: 0, max: 2 },
  topP: TOP_P,
  maxOutputTokens: { field: 'max_tokens', min: 1 },
  stop: { field: 'stop', maxWords: 4 },
};

/** OpenAI's own chat completions, where reasoning counts as completion. */
export const OPENAI_CHAT_OPTIONS: OptionTable = {
  ...CHAT_OPTIONS,
  maxOutputTokens: { field: 'max_completion_tokens', min: 1 },
};

/** Mistral's chat completions. */
export const MISTRAL_OPTIONS: OptionTable = {
  ...CHAT_OPTIONS,
  temperature: { field: 'temperature', min: 0, max: 1.5 },
};

/** Responses of OpenAI and xAI, and Perplexity's Agent API: none of them has stop words. */
export const RESPONSES_OPTIONS: OptionTable = {
  temperature: { field: 'temperature', min: 0, max: 2 },
  topP: TOP_P,
  maxOutputTokens: { field: 'max_output_tokens', min: 16 },
};

/** Anthropic's Messages. */
export const MESSAGES_OPTIONS: OptionTable = {
  temperature: { field: 'temperature', min: 0, max: 1 },
  topP: TOP_P,
  maxOutputTokens: { field: 'max_tokens', min: 1 },
  // Anthropic names no maximum; other providers take this many.
  stop: { field: 'stop_sequences', maxWords: 4 },
};

/** Gemini's generateContent, inside `generationConfig`. */
export const GENERATE_CONTENT_OPTIONS: OptionTable = {
  // Models whose list entry says nothing take at least this much.
  temperature: { field: 'temperature', min: 0, max: 1 },
  topP: { field: 'topP', min: 0, max: 1 },
  maxOutputTokens: { field: 'maxOutputTokens', min: 1 },
  stop: { field: 'stopSequences', maxWords: 5 },
};

/** What depends on the model and not on the family. */
export type ModelSupport = Pick<OptionSupport, 'efforts' | 'defaultEffort'> & {
  /** Whether it takes a temperature and a top-p. */
  canSample: boolean;
  supportsWebSearch?: boolean;
};

/** The options that a model of the family takes. */
export function supportBy(table: OptionTable, model: AskedModel, known: ModelSupport): OptionSupport {
  const { efforts, defaultEffort, canSample, supportsWebSearch = false } = known;
  return {
    efforts,
    defaultEffort,
    temperature: canSample ? rangeOf(table.temperature) : null,
    topP: canSample ? rangeOf(table.topP) : null,
    maxOutputTokens: {
      min: table.maxOutputTokens.min,
      max: model.maxOutputTokens ?? MOST_OUTPUT_TOKENS,
    },
    maxStopWords: table.stop?.maxWords ?? 0,
    supportsSystemPrompt: true,
    supportsWebSearch,
  };
}

function rangeOf({ min, max }: NumberField): OptionRange {
  return { min, max };
}

// No model writes more, and its provider refuses what is too much for the model.
const MOST_OUTPUT_TOKENS = 1_000_000;

/** The fields of a request for the options of the table. */
export function fieldsBy(table: OptionTable, options: AnswerOptions): JsonObject {
  const { temperature, topP, maxOutputTokens, stop } = options;
  return {
    ...(temperature !== null && { [table.temperature.field]: temperature }),
    ...(topP !== null && { [table.topP.field]: topP }),
    ...(maxOutputTokens !== null && { [table.maxOutputTokens.field]: maxOutputTokens }),
    ...(table.stop !== undefined && stop !== null && stop.length > 0 && { [table.stop.field]: stop }),
  };
}

/** Support of a model that does not reason, or whose effort is not known. */
export const SAMPLES_ONLY: ModelSupport = { efforts: [], defaultEffort: null, canSample: true };

/** The temperature or top-p of a model that takes neither while it reasons; null if there is none. */
export function findSampling({ temperature, topP }: AnswerOptions): OptionRefusal | null {
  const [option, noun] =
    temperature === null ? (['topP', 'top-p'] as const) : (['temperature', 'temperature'] as const);
  if (temperature === null && topP === null) return null;
  return {
    option,
    reason: `takes no ${noun} while it reasons; choose the effort NONE or leave the ${noun} out`,
  };
}
