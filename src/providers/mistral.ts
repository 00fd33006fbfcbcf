import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { listedModel } from './listed-model.ts';
import { answerByChat, chatMessages } from './openai-chat.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from './provider.ts';
import { bearer, type Transport } from './transport.ts';

/** Mistral: OpenAI chat, but a field it does not know fails the request. */
export function createMistral(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    return modelsIn(await transport.getJson(call, '/models', bearer(call)));
  };

  return {
    name: 'MISTRAL',
    title: 'Mistral',
    keysUrl: 'https://console.mistral.ai/api-keys',
    keyPlaceholder: '32 letters and digits',
    baseUrl: 'https://api.mistral.ai/v1',
    checkKey: listModels,
    listModels,
    answer(call, request, sink) {
      return answerByChat(transport, call, sink, { body: bodyOf(request) });
    },
  };
}

/** One model is listed under several ids that name each other as aliases; the first is kept. */
function modelsIn(json: unknown): ListedModel[] {
  const seen = new Set<unknown>();
  const models: ListedModel[] = [];
  for (const entry of asObjects(asObject(json)?.data)) {
    const name = asText(entry.id);
    const capabilities = asObject(entry.capabilities);
    if (name === null || capabilities?.completion_chat !== true) continue;
    const isSeen = seen.has(name) || seen.has(entry.name);
    for (const word of [name, asText(entry.name), ...asArray(entry.aliases)]) if (word) seen.add(word);
    if (isSeen) continue;
    models.push(
      listedModel(name, {
        title: asText(entry.name) ?? name,
        contextWindow: asCount(entry.max_context_length),
        capabilities: [
          ...(capabilities.vision === true ? (['IMAGE_INPUT'] as const) : []),
          ...(capabilities.reasoning === true ? (['REASONING'] as const) : []),
        ],
      }),
    );
  }
  return models;
}

function bodyOf(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    messages: chatMessages(request, 'system'),
    stream: true,
    ...(request.maxOutputTokens !== null && { max_tokens: request.maxOutputTokens }),
  };
}
