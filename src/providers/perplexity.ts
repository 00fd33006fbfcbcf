import { ProviderError } from './failure.ts';
import { asObject, asObjects, asText, type JsonObject } from './json.ts';
import { listedModel, withoutDuplicates } from './listed-model.ts';
import type { AnswerRequest, ListedModel, Provider } from './provider.ts';
import { answerByResponses, responsesInput } from './responses.ts';
import { bearer, type Transport } from './transport.ts';

/** Perplexity: the Agent API. Its presets are offered as models named `preset/…`. */
export function createPerplexity(transport: Transport): Provider {
  return {
    name: 'PERPLEXITY',
    title: 'Perplexity',
    keysUrl: 'https://www.perplexity.ai/account/api/keys',
    keyPlaceholder: 'pplx-…',
    baseUrl: 'https://api.perplexity.ai',

    /** Models are listed to anyone, so the check asks for an answer that cannot exist. */
    async checkKey(call) {
      try {
        await transport.getJson(call, '/v1/responses/resp_00000000', bearer(call));
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        // "No such answer" is said only to a key that is known; a gateway's own "not found" has no such words.
        if (error.status === 404 && error.providerText !== null) return null;
        if (error.status !== 400 && error.status !== 404) throw error;
      }
      throw new ProviderError('PROVIDER_ERROR');
    },

    async listModels(call) {
      const json = asObject(await transport.getJson(call, '/v1/models', bearer(call)));
      const listed = asObjects(json?.data).flatMap(({ id }) => asText(id) ?? []);
      const own = listed.filter((name) => name.startsWith('perplexity/'));
      return modelsNamed(own.length > 0 ? own : ['perplexity/sonar']);
    },

    answer(call, request, sink) {
      return answerByResponses(transport, call, sink, { path: '/v1/agent', body: bodyOf(request) });
    },
  };
}

const PRESETS = ['fast', 'low', 'medium', 'high', 'xhigh'];
const PRESET_PREFIX = 'preset/';

function modelsNamed(names: string[]): ListedModel[] {
  const models = names.map((name) => listedModel(name, { capabilities: ['IMAGE_INPUT', 'WEB_SEARCH'] }));
  const presets = PRESETS.map((preset) =>
    listedModel(PRESET_PREFIX + preset, {
      title: `Perplexity preset: ${preset}`,
      capabilities: ['IMAGE_INPUT', 'WEB_SEARCH'],
    }),
  );
  return withoutDuplicates([...models, ...presets]);
}

/** The server decodes strictly: one field it does not know fails the request. */
function bodyOf(request: AnswerRequest): JsonObject {
  const isPreset = request.model.startsWith(PRESET_PREFIX);
  return {
    // A preset chooses model and tools by itself.
    ...(isPreset
      ? { preset: request.model.slice(PRESET_PREFIX.length) }
      : { model: request.model, tools: [{ type: 'web_search' }] }),
    ...(request.system !== null && { instructions: request.system }),
    input: responsesInput(request),
    stream: true,
    store: false,
    ...(request.maxOutputTokens !== null && {
      max_output_tokens: Math.max(request.maxOutputTokens, FEWEST_OUTPUT_TOKENS),
    }),
  };
}

const FEWEST_OUTPUT_TOKENS = 16;
