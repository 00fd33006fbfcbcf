import { shiftPoint } from '../decimal.ts';
import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { NO_MANUAL_FACTS } from '../manual-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { type ModelPrice, readPrice, type StatedPrices } from '../price.ts';
import type { AnswerRequest, ListedModel, Provider } from '../provider.ts';
import { answerByChat, chatMessages, OPEN_FORMS } from '../wire/chat.ts';
import { CHAT_OPTIONS, fieldsBy, SAMPLES_ONLY, supportBy } from '../wire/option-table.ts';

/** Novita AI: OpenAI chat for open models. */
export function createNovita(transport: Transport): Provider {
  return {
    name: 'NOVITA',
    title: 'Novita AI',
    keysUrl: 'https://novita.ai/settings/key-management',
    keyPlaceholder: 'sk_…',
    baseUrl: 'https://api.novita.ai/openai/v1',

    /** The list of models needs no key, so the check reads the account's balance, which is outside the chat API's path. */
    async checkKey(call) {
      const json = asObject(await transport.getJson(call, BALANCE_PATH, bearer(call)));
      const balance = asText(json?.availableBalance);
      if (balance !== null && Number(balance) <= 0) throw new ProviderError('QUOTA_EXCEEDED');
      return null;
    },

    async listModels(call) {
      const json = await transport.getJson(call, '/models', bearer(call));
      return withoutDuplicates(listEntries(json).flatMap((entry) => modelIn(entry) ?? []));
    },

    manualFacts: () => NO_MANUAL_FACTS,
    optionSupport: (model) => supportBy(CHAT_OPTIONS, model, SAMPLES_ONLY),

    answer(call, request, sink) {
      return answerByChat(transport, call, sink, {
        body: bodyOf(request),
        // The limit is documented as required but accepted without; a server that insists gets a modest one.
        ...(request.options.maxOutputTokens === null && {
          corrections: [{ pattern: /max_tokens/, correct: (body) => ({ ...body, max_tokens: 4_096 }) }],
        }),
      });
    },
  };
}

// Relative to `/openai/v1`, so that it also works below an operator's own base URL.
const BALANCE_PATH = '/../../openapi/v1/billing/balance/detail';

function modelIn(entry: JsonObject): ListedModel | null {
  const name = asText(entry.id);
  if (name === null || !doesItChat(entry, name) || (entry.status !== undefined && entry.status !== 1))
    return null;
  return listedModel(name, {
    title: asText(entry.display_name) ?? asText(entry.title) ?? name,
    contextWindow: asCount(entry.context_size),
    maxOutputTokens: asCount(entry.max_output_tokens),
    capabilities: [
      ...(asArray(entry.input_modalities).includes('image') ? (['IMAGE_INPUT'] as const) : []),
      ...(asArray(entry.features).includes('reasoning') ? (['REASONING'] as const) : []),
    ],
    price: priceIn(entry),
  });
}

/** The plain fields are zero for some of the models whose price depends on the number of input tokens. */
function priceIn(entry: JsonObject): ModelPrice | null {
  const steps = asObjects(entry.tiered_billing_configs);
  if (entry.is_tiered_billing === true || steps.length > 0) return tieredPriceIn(steps);
  const { cachedInput, cacheWrite } = pricesIn(asObject(entry.pricing));
  const input = dollars(entry.input_token_price_per_m);
  const output = dollars(entry.output_token_price_per_m);
  return readPrice({ input, output, cachedInput, cacheWrite });
}

/** The price by steps of the number of input tokens, each from its `min_tokens` to its `max_tokens`. */
function tieredPriceIn(steps: readonly JsonObject[]): ModelPrice | null {
  const sorted = steps.toSorted((a, b) => (asCount(a.min_tokens) ?? 0) - (asCount(b.min_tokens) ?? 0));
  const [first] = sorted;
  if (first === undefined) return null;
  const tiers = sorted.slice(1).map((step, index) => ({
    ...pricesIn(asObject(step.pricing)),
    above: asCount(sorted[index]?.max_tokens), // of the step before: some begin at its last number, some after it
  }));
  return readPrice(pricesIn(asObject(first.pricing)), tiers);
}

function pricesIn(pricing: JsonObject | null): StatedPrices {
  const price = (kind: string) => dollars(asObject(pricing?.[kind])?.price_per_m);
  return {
    input: price('prompt'),
    output: price('completion'),
    cachedInput: price('input_cache_read'),
    cacheWrite: price('input_cache_write'),
  };
}

/** Prices are stated in 1/10,000 of a dollar per million tokens. */
function dollars(units: unknown): string | null {
  return shiftPoint(units, -4);
}

function bodyOf(request: AnswerRequest): JsonObject & { model: string } {
  return {
    model: request.model.name,
    messages: chatMessages(request, OPEN_FORMS),
    stream: true,
    stream_options: { include_usage: true },
    separate_reasoning: true,
    ...fieldsBy(CHAT_OPTIONS, request.options),
  };
}
