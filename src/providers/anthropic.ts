import { answerByMessages } from './anthropic-messages.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from './json.ts';
import { listedModel, withoutDuplicates } from './listed-model.ts';
import type { AnswerRequest, ListedModel, ModelCapability, Provider, ProviderCall } from './provider.ts';
import { queryValue, type Transport } from './transport.ts';

/** Anthropic: the Messages API. */
export function createAnthropic(transport: Transport): Provider {
  const listModels = async (call: ProviderCall): Promise<ListedModel[]> => {
    const models: ListedModel[] = [];
    let after = '';
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const path = `/v1/models?limit=1000${after}`;
      const json = asObject(await transport.getJson(call, path, headersOf(call)));
      models.push(...asObjects(json?.data).flatMap((entry) => modelIn(entry) ?? []));
      const last = asText(json?.last_id);
      if (json?.has_more !== true || last === null) break;
      after = `&after_id=${queryValue(last)}`;
    }
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

// A page holds a thousand models; the bound is for a server that says "more" for ever.
const MOST_PAGES = 20;

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

/** The field is required, and more than the model can write is refused. Every model since Claude 4 writes 32,000. */
function mostTokensOf(model: string): number {
  if (/^claude-3-(opus|sonnet|haiku)/.test(model)) return 4_096;
  if (/^claude-3-5/.test(model)) return 8_192;
  return 32_000;
}
