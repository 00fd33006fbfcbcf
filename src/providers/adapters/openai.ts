import { anyWord, chatsByFields, chatsByName, type NameWords } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages } from '../wire/chat.ts';
import { answerByResponses, responsesInput } from '../wire/responses.ts';

/** OpenAI: chat completions, and Responses for the models that speak nothing else. */
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

    answer(call, request, sink) {
      if (!speaksOnlyResponses(request.model)) {
        return answerByChat(transport, call, sink, { body: chatBody(request) });
      }
      const body = responsesBody(request);
      if (!isReasoner(request.model)) {
        return answerByResponses(transport, call, sink, { path: '/responses', body });
      }
      return answerByResponses(transport, call, sink, {
        path: '/responses',
        // Without a summary the stream is silent while the model thinks.
        body: { ...body, reasoning: { summary: 'auto' } },
        // Organisations that are not verified are refused the summary, not the answer.
        fallbackBody: { word: 'reasoning.summary', body },
      });
    },
  };
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
    return listedModel(name, {
      capabilities: [
        ...(isReasoner(name) ? (['REASONING'] as const) : []),
        ...(base.includes('deep-research') ? (['WEB_SEARCH'] as const) : []),
      ],
    });
  });
  return withoutDuplicates(models);
}

/** The base of a fine-tuned model, e.g. `gpt-4.1-mini` of `ft:gpt-4.1-mini:acme:image-bot:B7x`; of other models the name. */
function baseOf(model: string): string {
  const [prefix, base] = model.split(':');
  return prefix === 'ft' && base ? base : model;
}

/** On chat completions these fail with "This is not a chat model". */
function speaksOnlyResponses(model: string): boolean {
  return /-pro\b|codex|deep-research/.test(baseOf(model));
}

/** The o-series, and GPT from 5 on unless it is the `-chat` variant. */
function isReasoner(model: string): boolean {
  const base = baseOf(model);
  if (/^(o\d|codex-)/.test(base)) return true;
  const major = Number(/^gpt-(\d+)/.exec(base)?.[1] ?? 0);
  return major >= 5 && !base.includes('-chat');
}

function chatBody(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    messages: chatMessages(request, isReasoner(request.model) ? 'developer' : 'system'),
    stream: true,
    // The padding against traffic analysis costs bytes on every token and is left off.
    stream_options: { include_usage: true, include_obfuscation: false },
    store: false,
    ...(request.maxOutputTokens !== null && { max_completion_tokens: request.maxOutputTokens }),
  };
}

function responsesBody(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    ...(request.system !== null && { instructions: request.system }),
    input: responsesInput(request),
    stream: true,
    // OpenAI would store the response for 30 days otherwise.
    store: false,
    ...(request.maxOutputTokens !== null && { max_output_tokens: request.maxOutputTokens }),
    // OpenAI refuses research models without a search tool.
    ...(request.model.includes('deep-research') && { tools: [{ type: 'web_search_preview' }] }),
  };
}
