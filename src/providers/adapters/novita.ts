import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, ListedPrice, Provider } from '../provider.ts';
import { answerByChat, chatMessages } from '../wire/chat.ts';
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

/** Prices are stated in 1/10,000 of a dollar per million tokens. */
function priceIn(entry: JsonObject): ListedPrice | null {
  const input = asCount(entry.input_token_price_per_m);
  const output = asCount(entry.output_token_price_per_m);
  const cached = asCount(asObject(asObject(entry.pricing)?.input_cache_read)?.price_per_m);
  if (input === null || output === null) return null;
  return {
    input: input / 10_000,
    output: output / 10_000,
    cachedInput: cached === null ? null : cached / 10_000,
    cacheWrite: null,
  };
}

function bodyOf(request: AnswerRequest): JsonObject & { model: string } {
  return {
    model: request.model.name,
    messages: chatMessages(request, 'system'),
    stream: true,
    stream_options: { include_usage: true },
    separate_reasoning: true,
    ...fieldsBy(CHAT_OPTIONS, request.options),
  };
}
