import { anyWord, doesItChat, type NameWords } from '../does-it-chat.ts';
import { queryValue, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, readPages, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByGenerateContent } from '../wire/generate-content.ts';

/** Google Gemini: the Developer API. */
export function createGemini(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    const models = await readPages(call, async (page, after) => {
      const path = `/models?pageSize=1000${after === null ? '' : `&pageToken=${queryValue(after)}`}`;
      const json = await transport.getJson(page, path, headersOf(page));
      return {
        models: listEntries(json).flatMap((entry) => modelIn(entry) ?? []),
        next: asText(asObject(json)?.nextPageToken),
      };
    });
    return withoutDuplicates(models);
  };

  return {
    name: 'GEMINI',
    title: 'Google Gemini',
    keysUrl: 'https://aistudio.google.com/api-keys',
    keyPlaceholder: 'AQ.…',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    checkKey: listModels,
    listModels,
    answer(call, request, sink) {
      const { model } = request;
      const headers = headersOf(call);
      return answerByGenerateContent(transport, call, sink, { model, headers, body: bodyOf(request) });
    },
  };
}

// Every model here is listed as one that generates content, of whatever kind.
const DOES_NOT_CHAT: NameWords = {
  never: anyWord(`
    embedding aqa image tts live audio transcribe veo imagen lyria robotics
    computer-use deep-research nano-banana antigravity omni agent
  `),
};

// As a query parameter the key would get into the log of every proxy, and keys of the current kind are refused there.
function headersOf(call: ProviderCall): Record<string, string> {
  return { 'x-goog-api-key': call.secret };
}

function modelIn(entry: JsonObject): ListedModel | null {
  const name = asText(entry.name)?.replace(/^models\//, '');
  if (!name || !asArray(entry.supportedGenerationMethods).includes('generateContent')) return null;
  if (!doesItChat(entry, name, DOES_NOT_CHAT)) return null;
  return listedModel(name, {
    title: asText(entry.displayName) ?? name,
    contextWindow: asCount(entry.inputTokenLimit),
    maxOutputTokens: asCount(entry.outputTokenLimit),
    capabilities: [
      ...(name.startsWith('gemini-') ? (['IMAGE_INPUT', 'PDF_INPUT'] as const) : []),
      ...(entry.thinking === true ? (['REASONING'] as const) : []),
    ],
  });
}

function bodyOf(request: AnswerRequest): JsonObject {
  const { system, turns } = request;
  // Gemma refuses the field for instructions, so they go to the beginning of the user's first turn.
  const isGemma = request.model.startsWith('gemma-');
  return {
    ...(!isGemma && system !== null && { systemInstruction: { parts: [{ text: system }] } }),
    contents: turns.map(({ role, text }, index) => ({
      role: role === 'assistant' ? 'model' : 'user',
      parts: [{ text: isGemma && system !== null && index === 0 ? `${system}\n\n${text}` : text }],
    })),
    generationConfig: {
      ...(request.maxOutputTokens !== null && { maxOutputTokens: request.maxOutputTokens }),
      ...(thinks(request.model) && { thinkingConfig: { includeThoughts: true } }),
    },
  };
}

/** Models that do not think refuse the request when asked to show their thoughts. */
function thinks(model: string): boolean {
  return /^gemini-(2\.5|[3-9]|\d\d|(pro|flash|flash-lite)-latest)/.test(model);
}
