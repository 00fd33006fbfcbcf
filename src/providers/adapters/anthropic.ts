import { queryValue, type Transport } from '../http/transport.ts';
import { asCount, asObject, asText, type JsonObject } from '../json.ts';
import { listEntries, listedModel, readPages, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, ModelCapability, Provider, ProviderCall } from '../provider.ts';
import { answerByMessages } from '../wire/messages.ts';

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
    answer(call, request, sink) {
      return answerByMessages(transport, call, sink, { headers: headersOf(call), body: bodyOf(request) });
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
  const can = (field: string) => asObject(capabilities?.[field])?.supported === true;
  return listedModel(name, {
    title: asText(entry.display_name) ?? name,
    contextWindow: asCount(entry.max_input_tokens),
    maxOutputTokens: asCount(entry.max_tokens),
    capabilities: [
      ...(can('image_input') ? (['IMAGE_INPUT'] as const) : []),
      ...(can('pdf_input') ? (['PDF_INPUT'] as const) : []),
      ...(can('thinking') ? (['REASONING'] as const) : []),
    ] satisfies ModelCapability[],
  });
}

function bodyOf(request: AnswerRequest): JsonObject {
  return {
    model: request.model,
    max_tokens: request.maxOutputTokens ?? mostTokensOf(request.model),
    ...(request.system !== null && { system: request.system }),
    messages: request.turns.map(({ role, text }) => ({ role, content: text })),
    stream: true,
  };
}

/** Value of the required `max_tokens`; more than the model can write is refused. Every model since Claude 4 writes 32,000. */
export function mostTokensOf(model: string): number {
  if (/^claude-3-(opus|sonnet|haiku)/.test(model)) return 4_096;
  if (/^claude-3-5/.test(model)) return 8_192;
  return 32_000;
}
