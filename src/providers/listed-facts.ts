import { modalitiesOf, wordsIn } from './does-it-chat.ts';
import { asCount, asEnd, asObject, asText, type JsonObject } from './json.ts';
import { priceIn } from './listed-price.ts';
import { type ModelCapability, type OptionFacts, optionFacts } from './options.ts';
import type { ListedModel } from './provider.ts';

/** Facts about a model from the lists of OpenAI-compatible servers, each of which has its own field names. */
export function listedFacts(entry: JsonObject, name: string): Partial<ListedModel> {
  const contextWindow = contextWindowIn(entry);
  return {
    title: asText(entry.display_name) ?? asText(entry.name) ?? name,
    contextWindow,
    maxOutputTokens: maxOutputTokensIn(entry, contextWindow),
    capabilities: capabilitiesIn(entry),
    price: priceIn(entry),
    optionFacts: optionFactsIn(entry),
    shutdownAt: asEnd(entry.expiration_date), // OpenRouter
  };
}

/** Only an entry that names parameters says which ones are not taken. */
function optionFactsIn(entry: JsonObject): OptionFacts | null {
  const parameters = wordsIn(entry.supported_parameters).filter(isParameter).slice(0, MOST_PARAMETERS);
  return parameters.length === 0 ? null : optionFacts({ parameters });
}

/** Lists are foreign text, and this part of them is stored with each model. */
function isParameter(word: string): boolean {
  return /^\w{1,40}$/.test(word);
}

const MOST_PARAMETERS = 60;

function contextWindowIn(entry: JsonObject): number | null {
  const limits = asObject(entry.limits);
  const supported = asObject(asObject(entry.capabilities)?.limits);
  return firstCount(
    entry.loaded_context_length, // LM Studio: the context it runs with, which can be less than the model's maximum
    entry.max_model_len, // vLLM
    entry.context_length,
    entry.context_window,
    entry.context_size,
    entry.max_context_length,
    asObject(entry.top_provider)?.context_length,
    supported?.max_context_window_tokens,
    limits?.max_input_tokens,
    entry.max_input_tokens,
    // Not llama.cpp's `meta.n_ctx_train`: the context the model was trained with, not the one it runs with.
  );
}

function maxOutputTokensIn(entry: JsonObject, contextWindow: number | null): number | null {
  const supported = asObject(asObject(entry.capabilities)?.limits);
  const stated = firstCount(
    asObject(entry.top_provider)?.max_completion_tokens,
    entry.max_completion_tokens,
    entry.max_output_tokens,
    supported?.max_output_tokens,
    asObject(entry.limits)?.max_output_tokens,
  );
  // Some servers mean the output by it and some the context.
  const unclear = asCount(entry.max_tokens);
  const isOutput = unclear !== null && contextWindow !== null && unclear < contextWindow;
  return stated ?? (isOutput ? unclear : null);
}

function firstCount(...values: unknown[]): number | null {
  return values.map(asCount).find((count) => count !== null && count > 0) ?? null;
}

function capabilitiesIn(entry: JsonObject): ModelCapability[] {
  const { input } = modalitiesOf(entry);
  const named = [...wordsIn(entry.capabilities), ...wordsIn(entry.features)];
  const parameters = wordsIn(entry.supported_parameters);
  const flags = asObject(entry.capabilities) ?? {};
  const supports = asObject(flags.supports) ?? {};
  const seesImages =
    input.includes('image') ||
    ['vision', 'multimodal', 'image'].some((word) => named.includes(word)) ||
    [flags.vision, supports.vision, entry.supports_vision, entry.supports_image_input].includes(true) ||
    entry.type === 'vlm';
  const takesPdf = input.includes('file') || input.includes('pdf');
  const reasons =
    parameters.some((word) => word === 'reasoning' || word === 'reasoning_effort') ||
    named.includes('thinking') ||
    named.includes('reasoning') ||
    [flags.reasoning, flags.thinking, entry.supports_reasoning].includes(true);
  return [
    ...(seesImages ? (['IMAGE_INPUT'] as const) : []),
    ...(takesPdf ? (['PDF_INPUT'] as const) : []),
    ...(reasons ? (['REASONING'] as const) : []),
  ];
}
