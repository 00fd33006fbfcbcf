import { dropping, queryValue, type Transport } from '../http/transport.ts';
import { asCount, asObject, asText, type JsonObject } from '../json.ts';
import { withoutKept } from '../kept-reasoning.ts';
import { listEntries, listedModel, readPages, withoutDuplicates } from '../model-list.ts';
import { effortsIn, type ModelCapability, type OptionFacts, optionFacts } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider, ProviderCall } from '../provider.ts';
import { answerByMessages, messagesOf } from '../wire/messages.ts';
import { fieldsBy, MESSAGES_OPTIONS, supportBy } from '../wire/option-table.ts';
import { claudeFacts, claudeRules, findOptionConflict, thinkingFields } from './claude-models.ts';

/** Anthropic: the Messages API. */
export function createAnthropic(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    const models = await readPages(call, async (page, after) => {
      const path = `/v1/models?limit=1000${after === null ? '' : `&after_id=${queryValue(after)}`}`;
      const json = await transport.getJson(page, path, headersOf(page));
      const last = asObject(json)?.has_more === true ? asText(asObject(json)?.last_id) : null;
      return { models: listEntries(json).flatMap((entry) => modelIn(entry) ?? []), next: last };
    });
    return withoutDuplicates(models);
  };

  return {
    name: 'ANTHROPIC',
    title: 'Anthropic',
    keysUrl: 'https://console.anthropic.com/settings/keys',
    keyPlaceholder: 'sk-ant-api03-…',
    baseUrl: 'https://api.anthropic.com',
    checkKey: listModels,
    listModels,
    manualFacts: claudeFacts,
    optionSupport(model) {
      const { efforts, defaultEffort, canSample } = claudeRules(model);
      return supportBy(MESSAGES_OPTIONS, model, { efforts, defaultEffort, canSample });
    },
    findOptionConflict,
    answer(call, request, sink) {
      const { options, turns } = request;
      const withoutKeptThinking = {
        // A signature that another platform wrote cannot be verified.
        pattern: /signature/,
        correct: (body: JsonObject) => ({
          ...body,
          messages: messagesOf(withoutKept(turns), request.model.name),
        }),
      };
      return answerByMessages(transport, call, sink, {
        headers: headersOf(call),
        body: bodyOf(request),
        corrections: [
          withoutKeptThinking,
          dropping('cache_control'),
          // Nobody asked for the thinking of a model that turns out to have none.
          ...(options.effort === null ? [dropping('thinking')] : []),
        ],
      });
    },
  };
}

function headersOf(call: ProviderCall): Record<string, string> {
  return { 'x-api-key': call.secret, 'anthropic-version': '2023-06-01' };
}

function modelIn(entry: JsonObject): ListedModel | null {
  const name = asText(entry.id);
  if (name === null) return null;
  const capabilities = asObject(entry.capabilities);
  const can = (field: string) => isSupported(capabilities?.[field]);
  return listedModel(name, {
    title: asText(entry.display_name) ?? name,
    contextWindow: asCount(entry.max_input_tokens),
    maxOutputTokens: asCount(entry.max_tokens),
    capabilities: [
      ...(can('image_input') ? (['IMAGE_INPUT'] as const) : []),
      ...(can('pdf_input') ? (['PDF_INPUT'] as const) : []),
      ...(can('thinking') ? (['REASONING'] as const) : []),
    ] satisfies ModelCapability[],
    optionFacts: capabilities && optionFactsIn(capabilities),
  });
}

function optionFactsIn(capabilities: JsonObject): OptionFacts {
  const { thinking, effort } = capabilities;
  const types = isSupported(thinking) ? supportedIn(asObject(thinking)?.types) : [];
  return optionFacts({
    thinking: asObject(thinking) && types,
    efforts: asObject(effort) && effortsIn(isSupported(effort) ? supportedIn(effort) : []),
  });
}

/** The names of the fields that say `supported: true`. */
function supportedIn(value: unknown): string[] {
  return Object.entries(asObject(value) ?? {}).flatMap(([name, each]) => (isSupported(each) ? [name] : []));
}

function isSupported(value: unknown): boolean {
  return asObject(value)?.supported === true;
}

function bodyOf({ model, options, turns, cacheKey }: AnswerRequest): JsonObject & { model: string } {
  const maxTokens = options.maxOutputTokens ?? model.maxOutputTokens ?? mostTokensOf(model.name);
  const { systemPrompt } = options;
  return {
    model: model.name,
    ...fieldsBy(MESSAGES_OPTIONS, { ...options, maxOutputTokens: maxTokens }),
    ...(systemPrompt !== null && { system: systemPrompt }),
    messages: messagesOf(turns, model.name),
    ...thinkingFields(model, options.effort, maxTokens),
    // Marks the last block that can be cached, so that the next turn finds all of this one.
    ...(cacheKey !== null && { cache_control: { type: 'ephemeral', ttl: '5m' } }),
    stream: true,
  };
}

/** Value of the required `max_tokens`; more than the model can write is refused. Every model since Claude 4 writes 32,000. */
export function mostTokensOf(model: string): number {
  if (/^claude-3-(opus|sonnet|haiku)/.test(model)) return 4_096;
  if (/^claude-3-5/.test(model)) return 8_192;
  return 32_000;
}
