import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asText, type JsonObject } from '../json.ts';
import { listedFacts } from '../listed-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import type { AnswerRequest, ListedModel, ModelCapability, Provider } from '../provider.ts';
import { answerByResponses, responsesInput } from '../wire/responses.ts';
import { mostTokensOf } from './anthropic.ts';

/** Perplexity: the Agent API. Its presets are offered as models named `preset/…`. */
export function createPerplexity(transport: Transport): Provider {
  return {
    name: 'PERPLEXITY',
    title: 'Perplexity',
    keysUrl: 'https://www.perplexity.ai/account/api/keys',
    keyPlaceholder: 'pplx-…',
    baseUrl: 'https://api.perplexity.ai',

    /** The list of models needs no key, so the check requests a response that cannot exist. */
    async checkKey(call) {
      try {
        await transport.getJson(call, '/v1/responses/resp_00000000', bearer(call));
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        // Only a known key gets "no such response"; a gateway's own "not found" has other words.
        if (error.status === 404 && error.providerText !== null) return null;
        if (error.status !== 400 && error.status !== 404) throw error;
      }
      throw new ProviderError('PROVIDER_ERROR');
    },

    async listModels(call) {
      const models = modelsIn(await transport.getJson(call, '/v1/models', bearer(call)));
      return withoutDuplicates([...(models.length > 0 ? models : [SONAR]), ...PRESET_MODELS]);
    },

    answer(call, request, sink) {
      return answerByResponses(transport, call, sink, { path: '/v1/agent', body: bodyOf(request) });
    },
  };
}

/** Its own models and those of other vendors that it passes questions on to, with its search for both. */
function modelsIn(json: unknown): ListedModel[] {
  return listEntries(json).flatMap((entry) => {
    const name = asText(entry.id);
    if (name === null || !doesItChat(entry, name)) return [];
    // The list does not say which models accept images.
    const isOwn = name.startsWith('perplexity/');
    const capabilities: ModelCapability[] = isOwn ? ['IMAGE_INPUT', 'WEB_SEARCH'] : ['WEB_SEARCH'];
    return listedModel(name, { ...listedFacts(entry, name), capabilities });
  });
}

const SONAR = listedModel('perplexity/sonar', { capabilities: ['IMAGE_INPUT', 'WEB_SEARCH'] });

const PRESET_PREFIX = 'preset/';

const PRESET_MODELS = ['fast', 'low', 'medium', 'high', 'xhigh'].map((preset) =>
  listedModel(PRESET_PREFIX + preset, {
    title: `Perplexity preset: ${preset}`,
    capabilities: ['IMAGE_INPUT', 'WEB_SEARCH'],
  }),
);

/** The server decodes strictly: one unknown field fails the request. */
function bodyOf(request: AnswerRequest): JsonObject {
  const maxOutputTokens = request.maxOutputTokens ?? requiredOutputTokens(request.model);
  const isPreset = request.model.startsWith(PRESET_PREFIX);
  return {
    // A preset sets model and tools itself.
    ...(isPreset
      ? { preset: request.model.slice(PRESET_PREFIX.length) }
      : { model: request.model, tools: [{ type: 'web_search' }] }),
    ...(request.system !== null && { instructions: request.system }),
    input: responsesInput(request),
    stream: true,
    store: false,
    ...(maxOutputTokens !== null && {
      max_output_tokens: Math.max(maxOutputTokens, FEWEST_OUTPUT_TOKENS),
    }),
  };
}

/** Models of Anthropic need a limit. */
function requiredOutputTokens(model: string): number | null {
  const prefix = 'anthropic/';
  return model.startsWith(prefix) ? mostTokensOf(model.slice(prefix.length)) : null;
}

const FEWEST_OUTPUT_TOKENS = 16;
