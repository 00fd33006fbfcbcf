import { ProviderError } from './failure.ts';
import { asCount, asObject, asObjects, asText } from './json.ts';
import { listedModel, withoutDuplicates } from './listed-model.ts';
import { answerByChat, chatMessages } from './openai-chat.ts';
import type { ListedModel, Provider, ProviderCall } from './provider.ts';
import { bearer, type Transport } from './transport.ts';

/** Any server that speaks OpenAI chat: Ollama, vLLM, LM Studio, llama.cpp, gateways. */
export function createCustom(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    return modelsIn(await transport.getJson(call, '/models', bearer(call)));
  };

  return {
    name: 'CUSTOM',
    title: 'OpenAI-compatible server',
    keysUrl: null,
    keyPlaceholder: 'empty if the server needs none',
    baseUrl: null,

    async checkKey(call) {
      try {
        return await listModels(call);
      } catch (error) {
        // Some proxies pass on chat and nothing else.
        if (error instanceof ProviderError && error.status === 404) return null;
        throw error;
      }
    },
    listModels,

    answer(call, request, sink) {
      const body = {
        model: request.model,
        messages: chatMessages(request, 'system'),
        stream: true,
        ...(request.maxOutputTokens !== null && { max_tokens: request.maxOutputTokens }),
      };
      return answerByChat(transport, call, sink, {
        body: { ...body, stream_options: { include_usage: true } },
        // Older servers refuse the option, and an answer is worth more than its token count.
        secondTry: { word: 'stream_options', body },
        mayThinkInTags: true,
      });
    },
  };
}

const DOES_NOT_CHAT = /\b(embed|embeddings?|rerank|reranker|whisper)\b/i;

function modelsIn(json: unknown): ListedModel[] {
  const models = asObjects(asObject(json)?.data).flatMap((entry) => {
    const name = asText(entry.id);
    if (name === null || DOES_NOT_CHAT.test(name)) return [];
    return listedModel(name, {
      title: asText(entry.name) ?? name,
      // vLLM's word, then the one of gateways. llama.cpp tells what the model was trained with, not what it runs with.
      contextWindow: asCount(entry.max_model_len) ?? asCount(entry.context_length),
    });
  });
  return withoutDuplicates(models);
}
