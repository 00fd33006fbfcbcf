import { anyWord, doesItChat, type NameWords } from '../does-it-chat.ts';
import { queryValue, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asText, type JsonObject } from '../json.ts';
import { withoutKept } from '../kept-reasoning.ts';
import { listEntries, listedModel, readPages, withoutDuplicates } from '../model-list.ts';
import { optionFacts } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { hasWords } from '../wire/file-parts.ts';
import { answerByGenerateContent, geminiContents } from '../wire/generate-content.ts';
import { fieldsBy, GENERATE_CONTENT_OPTIONS, supportBy } from '../wire/option-table.ts';
import { effortsOf, geminiFacts, thinkingFields } from './gemini-models.ts';

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
    manualFacts: ({ name }) => geminiFacts(name),
    optionSupport(model) {
      const support = supportBy(GENERATE_CONTENT_OPTIONS, model, {
        ...effortsOf(model.name),
        canSample: true,
      });
      const max = model.optionFacts?.maxTemperature;
      return max == null ? support : { ...support, temperature: { min: 0, max } };
    },
    answer(call, request, sink) {
      const { name } = request.model;
      const body = bodyOf(request);
      const withoutSignatures = {
        pattern: /thought.?signature/i,
        correct: () => ({ ...body, contents: contentsOf({ ...request, turns: withoutKept(request.turns) }) }),
      };
      return answerByGenerateContent(transport, call, sink, {
        model: name,
        headers: headersOf(call),
        body,
        corrections: [withoutSignatures],
      });
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
    capabilities: entry.thinking === true ? ['REASONING'] : [],
    optionFacts: optionFacts({ maxTemperature: asCount(entry.maxTemperature) }),
  });
}

function bodyOf(request: AnswerRequest): JsonObject {
  const { model, options } = request;
  const { systemPrompt } = options;
  const thinking = thinkingFields(model, options.effort);
  return {
    ...(!isGemma(model.name) &&
      systemPrompt !== null && { systemInstruction: { parts: [{ text: systemPrompt }] } }),
    contents: contentsOf(request),
    generationConfig: {
      ...fieldsBy(GENERATE_CONTENT_OPTIONS, options),
      ...(thinking !== null && { thinkingConfig: thinking }),
    },
  };
}

/** Gemma refuses the field for instructions, so they go to the beginning of the user's first turn. */
function contentsOf({ model, options: { systemPrompt }, turns }: AnswerRequest): JsonObject[] {
  const [first, ...rest] = turns;
  if (!isGemma(model.name) || systemPrompt === null || first === undefined) {
    return geminiContents(turns, model.name);
  }
  const text = hasWords(first.text) ? `${systemPrompt}\n\n${first.text}` : systemPrompt;
  return geminiContents([{ ...first, text }, ...rest], model.name);
}

function isGemma(model: string): boolean {
  return model.startsWith('gemma-');
}
