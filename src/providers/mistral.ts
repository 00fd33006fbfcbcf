import { anyWord, chatsByName, type NameWords } from './does-it-chat.ts';
import { asArray, asCount, asObject, asText, type JsonObject } from './json.ts';
import { listedModel, withoutDuplicates } from './listed-model.ts';
import { listEntries } from './model-list.ts';
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

/**
 * One model is listed under several ids that name each other as aliases. Those that end in `-latest` are what people choose
 * and all stay; a model without such a name has the first of its names.
 */
function modelsIn(json: unknown): ListedModel[] {
  const entries = listEntries(json).flatMap((entry) => {
    const name = asText(entry.id);
    return name !== null && chats(entry, name) ? { name, names: namesIn(entry), entry } : [];
  });
  const seen = new Set(entries.filter(({ name }) => isLatest(name)).flatMap(({ names }) => names));
  const chosen = entries.filter(({ name, names }) => {
    if (isLatest(name)) return true;
    const isSeen = names.some((word) => seen.has(word));
    for (const word of names) seen.add(word);
    return !isSeen;
  });
  return withoutDuplicates(chosen.map(({ name, entry }) => modelIn(entry, name)));
}

/** Transcribers are listed as models that chat. */
function chats(entry: JsonObject, name: string): boolean {
  return asObject(entry.capabilities)?.completion_chat === true && chatsByName(name, TRANSCRIBES);
}

const TRANSCRIBES: NameWords = { never: anyWord('transcribe transcription') };

function isLatest(name: string): boolean {
  return name.endsWith('-latest');
}

function namesIn(entry: JsonObject): string[] {
  return [entry.id, entry.name, ...asArray(entry.aliases)].flatMap((word) => asText(word) ?? []);
}

function modelIn(entry: JsonObject, name: string): ListedModel {
  const capabilities = asObject(entry.capabilities);
  return listedModel(name, {
    title: asText(entry.name) ?? name,
    contextWindow: asCount(entry.max_context_length),
    capabilities: [
      ...(capabilities?.vision === true ? (['IMAGE_INPUT'] as const) : []),
      ...(capabilities?.reasoning === true ? (['REASONING'] as const) : []),
    ],
  });
}

function bodyOf(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    messages: chatMessages(request, 'system'),
    stream: true,
    ...(request.maxOutputTokens !== null && { max_tokens: request.maxOutputTokens }),
  };
}
