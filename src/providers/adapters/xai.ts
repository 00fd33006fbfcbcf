import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, ListedPrice, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages } from '../wire/chat.ts';

/** xAI: OpenAI chat with streamed reasoning. */
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

    answer(call, request, sink) {
      return answerByChat(transport, call, sink, { body: bodyOf(request) });
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
  const canReason = [entry, extra].some(
    (each) => asArray(asObject(each?.capabilities)?.reasoning_effort).length > 0,
  );
  return listedModel(name, {
    contextWindow: asCount(extra?.context_length) ?? asCount(entry.context_length),
    capabilities: [
      ...(asArray(entry.input_modalities).includes('image') ? (['IMAGE_INPUT'] as const) : []),
      ...(canReason ? (['REASONING'] as const) : []),
    ],
    price: priceIn(entry),
  });
}

// Models that chat completions refuse.
const AGENTS = /\bmulti-agent\b/;

/** Prices are stated in 1/10,000 of a dollar per million tokens. */
function priceIn(entry: JsonObject): ListedPrice | null {
  const input = asCount(entry.prompt_text_token_price);
  const output = asCount(entry.completion_text_token_price);
  const cached = asCount(entry.cached_prompt_text_token_price);
  if (input === null || output === null) return null;
  return {
    input: input / 10_000,
    output: output / 10_000,
    cachedInput: cached === null ? null : cached / 10_000,
    cacheWrite: null,
  };
}

function bodyOf(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    messages: chatMessages(request, 'system'),
    stream: true,
    stream_options: { include_usage: true },
    ...(request.maxOutputTokens !== null && { max_completion_tokens: request.maxOutputTokens }),
  };
}
