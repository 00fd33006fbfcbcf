import { anyWord, chatsByFields, chatsByName, type NameWords } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Correction, type Transport } from '../http/transport.ts';
import { asEnd, asObject, asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { effortWord } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages, OPENAI_FORMS } from '../wire/chat.ts';
import {
  fieldsBy,
  findSampling,
  OPENAI_CHAT_OPTIONS,
  type OptionTable,
  RESPONSES_OPTIONS,
  supportBy,
} from '../wire/option-table.ts';
import { answerByResponses, responsesInput, withoutEncryptedReasoning } from '../wire/responses.ts';
import { baseOf, effortsOf, isReasoner, openAiFacts, speaksOnlyChat } from './openai-models.ts';

/** OpenAI: Responses, and chat completions for the models that speak nothing else. */
export function createOpenAi(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    return modelsIn(await transport.getJson(call, '/models', bearer(call)));
  };

  return {
    name: 'OPENAI',
    title: 'OpenAI',
    keysUrl: 'https://platform.openai.com/api-keys',
    keyPlaceholder: 'sk-proj-…',
    baseUrl: 'https://api.openai.com/v1',

    async checkKey(call) {
      try {
        return await listModels(call);
      } catch (error) {
        // A restricted key may chat without being allowed to list models; the refusal then proves that the key is known.
        if (lacksScope(error)) return null;
        throw error;
      }
    },
    listModels,

    manualFacts: ({ name }) => openAiFacts(name),
    optionSupport(model) {
      const known = { ...effortsOf(model.name), canSample: canSample(model.name) };
      return supportBy(tableOf(model.name), model, known);
    },
    findOptionConflict({ name }, options) {
      if (!isReasoner(name) || (options.effort ?? effortsOf(name).defaultEffort) === 'NONE') return null;
      return findSampling(options);
    },

    async answer(call, request, sink) {
      const { name } = request.model;
      const askByChat = () => answerByChat(transport, call, sink, { body: chatBody(request) });
      if (speaksOnlyChat(name)) return await askByChat();
      try {
        return await answerByResponses(transport, call, sink, {
          path: '/responses',
          model: name,
          body: responsesBody(request),
          // Organisations that are not verified are refused the summary, not the answer.
          corrections: [WITHOUT_SUMMARY, withoutEncryptedReasoning],
        });
      } catch (error) {
        // Models that only chat, and gateways that forward nothing else.
        if (isRefusedByResponses(error)) return await askByChat();
        throw error;
      }
    },
  };
}

function tableOf(model: string): OptionTable {
  return speaksOnlyChat(model) && !isReasoner(model) ? OPENAI_CHAT_OPTIONS : RESPONSES_OPTIONS;
}

/** Models that reason take a temperature only while they do not. */
function canSample(model: string): boolean {
  return !isReasoner(model) || effortsOf(model).efforts.includes('NONE');
}

const WITHOUT_SUMMARY: Correction = {
  pattern: /reasoning\.summary/,
  correct: (body) => {
    const { summary: _, ...reasoning } = asObject(body.reasoning) ?? {};
    return { ...body, reasoning };
  },
};

function isRefusedByResponses(error: unknown): boolean {
  if (!(error instanceof ProviderError) || (error.status !== 400 && error.status !== 404)) return false;
  return /v1\/responses|responses api|invalid url/i.test(error.providerText ?? '');
}

function lacksScope(error: unknown): boolean {
  if (!(error instanceof ProviderError) || (error.status !== 401 && error.status !== 403)) return false;
  return /missing scopes|insufficient permissions/i.test(error.providerText ?? '');
}

// Used where the list does not say what a model can do.
const CHATS = /^(gpt-|o\d|chatgpt-|chat-|codex-)/;
const DOES_NOT_CHAT: NameWords = {
  never: anyWord(`
    embedding whisper tts audio realtime transcribe image dall-e moderation
    instruct search sora davinci babbage computer-use
  `),
};

function modelsIn(json: unknown): ListedModel[] {
  const models = listEntries(json).flatMap((entry) => {
    const name = asText(entry.id);
    if (name === null) return [];
    const base = baseOf(name);
    const isChat = chatsByFields(entry) ?? (CHATS.test(base) && chatsByName(base, DOES_NOT_CHAT));
    if (!isChat) return [];
    return listedModel(name, { shutdownAt: asEnd(entry.shutdown_date) });
  });
  return withoutDuplicates(models);
}

function chatBody(request: AnswerRequest): JsonObject & { model: string } {
  const { model, options, cacheKey } = request;
  return {
    model: model.name,
    messages: chatMessages(request, {
      ...OPENAI_FORMS,
      system: isReasoner(model.name) ? 'developer' : 'system',
    }),
    stream: true,
    // The padding against traffic analysis costs bytes on every token and is left off.
    stream_options: { include_usage: true, include_obfuscation: false },
    store: false,
    ...fieldsBy(OPENAI_CHAT_OPTIONS, options),
    ...(options.effort !== null && { reasoning_effort: effortWord(options.effort) }),
    ...(cacheKey !== null && { prompt_cache_key: cacheKey }),
  };
}

function responsesBody({ model, options, turns, cacheKey }: AnswerRequest): JsonObject {
  const { systemPrompt, effort } = options;
  return {
    model: model.name,
    ...(systemPrompt !== null && { instructions: systemPrompt }),
    input: responsesInput(turns, 'OPENAI', model.name),
    stream: true,
    stream_options: { include_obfuscation: false },
    // OpenAI would store the response for 30 days otherwise.
    store: false,
    ...fieldsBy(RESPONSES_OPTIONS, options),
    ...(isReasoner(model.name) && {
      // Without a summary the stream is silent while the model thinks.
      reasoning: { ...(effort !== null && { effort: effortWord(effort) }), summary: 'auto' },
      // What is not stored there has to be sent back with the next turn.
      include: ['reasoning.encrypted_content'],
    }),
    ...(cacheKey !== null && { prompt_cache_key: cacheKey }),
    // OpenAI refuses research models without a search tool.
    ...(model.name.includes('deep-research') && { tools: [{ type: 'web_search_preview' }] }),
  };
}
