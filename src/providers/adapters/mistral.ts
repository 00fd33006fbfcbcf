import { anyWord, chatsByName, type NameWords } from '../does-it-chat.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asArray, asCount, asEnd, asObject, asText, type JsonObject } from '../json.ts';
import {
  type ManualEntry,
  type ManualFacts,
  NO_EFFORTS,
  NO_MANUAL_FACTS,
  readManualFacts,
} from '../manual-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { type AskedModel, effortWord } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages, MISTRAL_FORMS } from '../wire/chat.ts';
import { fieldsBy, MISTRAL_OPTIONS, supportBy } from '../wire/option-table.ts';

/** Mistral: OpenAI chat, but an unknown field fails the request. */
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
    manualFacts,
    optionSupport: (model) =>
      supportBy(MISTRAL_OPTIONS, model, {
        ...(manualFacts(model).efforts?.value ?? NO_EFFORTS),
        canSample: true,
      }),
    answer(call, request, sink) {
      return answerByChat(transport, call, sink, { body: bodyOf(request) });
    },
  };
}

/**
 * One model is listed under several ids that name each other as aliases. Kept are the id of its version, which never changes, and
 * every name that ends in `-latest`, which moves to later versions. Other names are left out.
 */
function modelsIn(json: unknown): ListedModel[] {
  const entries = listEntries(json).flatMap((entry) => {
    const name = asText(entry.id);
    return name !== null && chats(entry, name) ? [{ name, entry }] : [];
  });
  const seen = new Set<string>();
  const versions = entries
    .filter(({ name }) => !isLatest(name))
    .toSorted((a, b) => Number(isVersion(b)) - Number(isVersion(a)))
    .filter(({ entry }) => {
      const names = namesIn(entry);
      const isSeen = names.some((word) => seen.has(word));
      for (const word of names) seen.add(word);
      return !isSeen;
    });
  const chosen = entries.filter((each) => isLatest(each.name) || versions.includes(each));
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

/** Whether the entry's id is that of the version itself and not an alias. */
function isVersion({ name, entry }: { name: string; entry: JsonObject }): boolean {
  return asText(entry.name) === name;
}

/** All names of an entry except `-latest` ones, which move and so must not make two versions equal. */
function namesIn(entry: JsonObject): string[] {
  const names = [entry.id, entry.name, ...asArray(entry.aliases)].flatMap((word) => asText(word) ?? []);
  return names.filter((name) => !isLatest(name));
}

function modelIn(entry: JsonObject, name: string): ListedModel {
  const capabilities = asObject(entry.capabilities);
  return listedModel(name, {
    standsFor: asText(entry.name),
    contextWindow: asCount(entry.max_context_length),
    capabilities: [
      ...(capabilities?.vision === true ? (['IMAGE_INPUT'] as const) : []),
      ...(capabilities?.reasoning === true ? (['REASONING'] as const) : []),
    ],
    shutdownAt: asEnd(entry.deprecation),
    replacementName: asText(entry.deprecation_replacement_model),
  });
}

/** What Mistral's documentation says about the efforts of models that reason, by its list. */
function manualFacts({ name, capabilities }: AskedModel): ManualFacts {
  return capabilities.includes('REASONING') ? readManualFacts(FACTS, name) : NO_MANUAL_FACTS;
}

const FACTS: readonly ManualEntry[] = [
  { models: /^magistral/, asOf: '2026-11-28', efforts: [] }, // it always reasons
  { models: /./, asOf: '2026-11-28', efforts: ['NONE', 'HIGH'] },
];

function bodyOf(request: AnswerRequest): JsonObject & { model: string } {
  const { model, options, cacheKey } = request;
  return {
    model: model.name,
    messages: chatMessages(request, MISTRAL_FORMS),
    stream: true,
    ...fieldsBy(MISTRAL_OPTIONS, options),
    ...(options.effort !== null && { reasoning_effort: effortWord(options.effort) }),
    ...(cacheKey !== null && { prompt_cache_key: cacheKey }),
  };
}
