import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asText } from '../json.ts';
import { listedFacts } from '../listed-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import type { ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages } from '../wire/chat.ts';

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
        // Some proxies forward chat and nothing else.
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
        fallbackBody: { word: 'stream_options', body },
      });
    },
  };
}

function modelsIn(json: unknown): ListedModel[] {
  const models = listEntries(json).flatMap((entry) => {
    // Ollama's own lists say `model`, LM Studio's `key`; where there is an `id`, `name` is the title.
    const name = [entry.id, entry.model, entry.key, entry.model_id, entry.name].map(asText).find(Boolean);
    return name && doesItChat(entry, name) ? listedModel(name, listedFacts(entry, name)) : [];
  });
  return withoutDuplicates(models);
}
