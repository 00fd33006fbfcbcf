import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, dropping, type Transport } from '../http/transport.ts';
import { asText, type JsonObject } from '../json.ts';
import { listedFacts } from '../listed-facts.ts';
import {
  type ManualEntry,
  type ManualFacts,
  NO_EFFORTS,
  NO_MANUAL_FACTS,
  readManualFacts,
} from '../manual-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { type AskedModel, effortWord, type OptionSupport } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByChat, chatMessages, OPEN_FORMS } from '../wire/chat.ts';
import { CHAT_OPTIONS, fieldsBy, SAMPLES_ONLY, supportBy } from '../wire/option-table.ts';

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

    manualFacts,
    optionSupport,

    answer(call, request, sink) {
      return answerByChat(transport, call, sink, {
        body: {
          model: request.model.name,
          messages: chatMessages(request, OPEN_FORMS),
          stream: true,
          ...fieldsBy(CHAT_OPTIONS, request.options),
          ...effortFields(request),
          stream_options: { include_usage: true },
        },
        // Older servers refuse the option, and an answer is worth more than its token count.
        corrections: [dropping('stream_options')],
      });
    },
  };
}

/** A server that names the parameters of its models takes no others; of one that does not, the usual ones are assumed. */
function optionSupport(model: AskedModel): OptionSupport {
  const support = supportBy(CHAT_OPTIONS, model, SAMPLES_ONLY);
  const parameters = model.optionFacts?.parameters ?? null;
  if (parameters === null) return support;
  const takes = (name: string) => parameters.includes(name);
  return {
    ...support,
    ...(manualFacts(model).efforts?.value ?? NO_EFFORTS),
    temperature: takes('temperature') ? support.temperature : null,
    topP: takes('top_p') ? support.topP : null,
    maxOutputTokens: takes('max_tokens') ? support.maxOutputTokens : null,
    maxStopWords: takes('stop') ? support.maxStopWords : 0,
  };
}

/** A list names the parameter of the effort, and not its values: these are OpenRouter's. */
function manualFacts({ name, optionFacts }: AskedModel): ManualFacts {
  const parameters = optionFacts?.parameters ?? [];
  const takesEffort = parameters.includes('reasoning') || parameters.includes('reasoning_effort');
  return takesEffort ? readManualFacts(FACTS, name) : NO_MANUAL_FACTS;
}

const FACTS: readonly ManualEntry[] = [
  { models: /./, asOf: '2026-11-28', efforts: ['LOW', 'MEDIUM', 'HIGH'] },
];

/** OpenRouter's field, which it translates for each vendor, or OpenAI's. */
function effortFields({ model, options }: AnswerRequest): JsonObject {
  if (options.effort === null) return {};
  const effort = effortWord(options.effort);
  const isTranslated = model.optionFacts?.parameters?.includes('reasoning') === true;
  return isTranslated ? { reasoning: { effort } } : { reasoning_effort: effort };
}

function modelsIn(json: unknown): ListedModel[] {
  const models = listEntries(json).flatMap((entry) => {
    // Ollama's own lists say `model`, LM Studio's `key`; where there is an `id`, `name` is the title.
    const name = [entry.id, entry.model, entry.key, entry.model_id, entry.name].map(asText).find(Boolean);
    return name && doesItChat(entry, name) ? listedModel(name, listedFacts(entry, name)) : [];
  });
  return withoutDuplicates(models);
}
