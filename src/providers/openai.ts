import { ProviderError } from './failure.ts';
import { asObject, asObjects, asText, type JsonObject } from './json.ts';
import { listedModel, withoutDuplicates } from './listed-model.ts';
import { answerByChat, chatMessages } from './openai-chat.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from './provider.ts';
import { answerByResponses, responsesInput } from './responses.ts';
import { bearer, type Transport } from './transport.ts';

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
        // Without a summary nothing at all is heard while the model thinks.
        body: { ...body, reasoning: { summary: 'auto' } },
        // Organisations that are not verified are refused the summary, not the answer.
        secondTry: { word: 'reasoning.summary', body },
      });
    },
  };
}

function lacksScope(error: unknown): boolean {
  if (!(error instanceof ProviderError) || (error.status !== 401 && error.status !== 403)) return false;
  return /missing scopes|insufficient permissions/i.test(error.providerText ?? '');
}

// The list does not say what a model can do, so its name has to.
const CHATS = /^(gpt-|o\d|chatgpt-|codex-)/;
const DOES_NOT_CHAT =
  /(embedding|whisper|tts|audio|realtime|transcribe|image|dall-e|moderation|instruct|search-|sora|davinci|babbage|computer-use)/;

function modelsIn(json: unknown): ListedModel[] {
  const models = asObjects(asObject(json)?.data).flatMap(({ id }) => {
    const name = asText(id);
    if (name === null || !CHATS.test(name) || DOES_NOT_CHAT.test(name)) return [];
    const isResearcher = name.includes('deep-research');
    return listedModel(name, {
      capabilities: [
        ...(isReasoner(name) ? (['REASONING'] as const) : []),
        ...(isResearcher ? (['WEB_SEARCH'] as const) : []),
      ],
    });
  });
  return withoutDuplicates(models);
}

/** On chat completions these fail with "This is not a chat model". */
function speaksOnlyResponses(model: string): boolean {
  return /-pro\b|codex|deep-research/.test(model);
}

/** The o-series, and GPT from 5 on unless it is the `-chat` variant. */
function isReasoner(model: string): boolean {
  if (/^(o\d|codex-)/.test(model)) return true;
  const major = Number(/^gpt-(\d+)/.exec(model)?.[1] ?? 0);
  return major >= 5 && !model.includes('-chat');
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
    // Kept for 30 days otherwise.
    store: false,
    ...(request.maxOutputTokens !== null && { max_output_tokens: request.maxOutputTokens }),
    // Research without a source to search is refused.
    ...(request.model.includes('deep-research') && { tools: [{ type: 'web_search_preview' }] }),
  };
}
