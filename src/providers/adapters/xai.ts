import { shiftPoint } from '../decimal.ts';
import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { type Efforts, type ManualEntry, NO_EFFORTS, readManualFacts } from '../manual-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { type AskedModel, effortsIn, effortWord, optionFacts } from '../options.ts';
import { type ModelPrice, readPrice, type StatedPrices } from '../price.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { fieldsBy, RESPONSES_OPTIONS, supportBy } from '../wire/option-table.ts';
import { answerByResponses, responsesInput, withoutEncryptedReasoning } from '../wire/responses.ts';

/** xAI: Responses with streamed reasoning. */
export function createXai(transport: Transport): Provider {
  return {
    name: 'XAI',
    title: 'xAI (Grok)',
    keysUrl: 'https://console.x.ai',
    keyPlaceholder: 'xai-…',
    baseUrl: 'https://api.x.ai/v1',

    async checkKey(call) {
      const key = asObject(await transport.getJson(call, '/api-key', bearer(call)));
      // xAI still knows a blocked key here, but refuses it for answers.
      if (key?.api_key_blocked === true || key?.api_key_disabled === true || key?.team_blocked === true) {
        throw new ProviderError('INVALID_KEY');
      }
      return null;
    },

    async listModels(call) {
      const [json, extras] = await Promise.all([
        transport.getJson(call, '/language-models', bearer(call)),
        readExtras(transport, call),
      ]);
      return withoutDuplicates(listEntries(json).flatMap((entry) => modelIn(entry, extras) ?? []));
    },

    manualFacts: ({ name }) => readManualFacts(FACTS, name),
    optionSupport: (model) => supportBy(RESPONSES_OPTIONS, model, { ...effortsOf(model), canSample: true }),

    answer(call, request, sink) {
      return answerByResponses(transport, call, sink, {
        path: '/responses',
        model: request.model.name,
        body: bodyOf(request),
        corrections: [withoutEncryptedReasoning],
      });
    },
  };
}

/** The general list by id: only it has context lengths. Without it the models are listed all the same. */
async function readExtras(transport: Transport, call: ProviderCall): Promise<Map<unknown, JsonObject>> {
  try {
    const json = await transport.getJson(call, '/models', bearer(call));
    return new Map(asObjects(asObject(json)?.data).map((entry) => [entry.id, entry]));
  } catch (error) {
    if (error instanceof ProviderError) return new Map();
    throw error;
  }
}

function modelIn(entry: JsonObject, extras: Map<unknown, JsonObject>): ListedModel | null {
  const name = asText(entry.id);
  if (name === null || !doesItChat(entry, name) || AGENTS.test(name)) return null;
  const extra = extras.get(name);
  const facts = [entry, extra].map((each) => asObject(each?.capabilities)).find(Boolean);
  const efforts = effortsIn(asArray(facts?.reasoning_effort));
  return listedModel(name, {
    contextWindow: asCount(extra?.context_length) ?? asCount(entry.context_length),
    capabilities: [
      ...(asArray(entry.input_modalities).includes('image') ? (['IMAGE_INPUT'] as const) : []),
      ...(efforts.length > 0 ? (['REASONING'] as const) : []),
    ],
    price: priceIn(entry),
    optionFacts: facts
      ? optionFacts({
          efforts,
          defaultEffort:
            effortsIn([facts.default_reasoning_effort ?? entry.default_reasoning_effort])[0] ?? null,
        })
      : null,
  });
}

// A question to several agents is billed several times, which nobody expects of a model.
const AGENTS = /\bmulti-agent\b/;

/**
 * Prices are stated in 1/10,000 of a dollar per million tokens; those for prompts of `long_context_threshold` tokens and more are
 * zero where they do not differ.
 */
function priceIn(entry: JsonObject): ModelPrice | null {
  const prices = (suffix: string): StatedPrices => ({
    input: shiftPoint(entry[`prompt_text_token_price${suffix}`], UNITS_PER_DOLLAR),
    output: shiftPoint(entry[`completion_text_token_price${suffix}`], UNITS_PER_DOLLAR),
    cachedInput: shiftPoint(entry[`cached_prompt_text_token_price${suffix}`], UNITS_PER_DOLLAR),
  });
  const long = Object.entries(prices('_long_context')).filter(([, price]) => price !== null && price !== '0');
  const fewest = asCount(entry.long_context_threshold) ?? 0;
  const isTiered = fewest > 0 && long.length > 0;
  return readPrice(prices(''), isTiered ? [{ ...Object.fromEntries(long), above: fewest - 1 }] : []);
}

const UNITS_PER_DOLLAR = -4; // as a power of ten

/** By the list, else by name. Other models refuse every effort. */
function effortsOf({ name, optionFacts: facts }: AskedModel): Efforts {
  if (facts?.efforts) return { efforts: facts.efforts, defaultEffort: facts.defaultEffort };
  return readManualFacts(FACTS, name).efforts?.value ?? NO_EFFORTS;
}

const asOf = '2026-11-28'; // the page of each model

const FACTS: readonly ManualEntry[] = [
  {
    models: /^grok-4\.3(-|$)/,
    asOf,
    efforts: ['NONE', 'LOW', 'MEDIUM', 'HIGH', 'XHIGH'],
    defaultEffort: 'LOW',
  },
  { models: /^grok-4\.7(-|$)/, asOf, efforts: ['LOW', 'MEDIUM', 'HIGH', 'XHIGH'], defaultEffort: 'HIGH' },
];

function bodyOf({ model, options, turns, cacheKey }: AnswerRequest): JsonObject {
  const { systemPrompt, effort } = options;
  return {
    model: model.name,
    ...(systemPrompt !== null && { instructions: systemPrompt }),
    input: responsesInput(turns, 'XAI', model.name),
    stream: true,
    store: false,
    ...fieldsBy(RESPONSES_OPTIONS, options),
    // A summary is streamed without being asked for.
    ...(effort !== null && { reasoning: { effort: effortWord(effort) } }),
    include: ['reasoning.encrypted_content'],
    ...(cacheKey !== null && { prompt_cache_key: cacheKey }),
  };
}
