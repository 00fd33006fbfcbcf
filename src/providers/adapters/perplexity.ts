import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asText, type JsonObject } from '../json.ts';
import { listedFacts } from '../listed-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { effortWord, type ModelCapability } from '../options.ts';
import type { AnswerRequest, ListedModel, Provider } from '../provider.ts';
import { fieldsBy, RESPONSES_OPTIONS, supportBy } from '../wire/option-table.ts';
import { answerByResponses, responsesInput } from '../wire/responses.ts';
import { mostTokensOf } from './anthropic.ts';
import { isReasoner } from './openai-models.ts';

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

    optionSupport({ name, ...facts }) {
      return supportBy(
        RESPONSES_OPTIONS,
        { name, ...facts },
        {
          efforts: isOpenAiReasoner(name) ? ['LOW', 'MEDIUM', 'HIGH'] : [],
          defaultEffort: null,
          // Behind Perplexity the rules of other vendors hold as well, and a preset may be any of their models.
          canSample: isOwn(name),
          supportsWebSearch: true,
        },
      );
    },
    findOptionConflict({ name }, { webSearch }) {
      if (webSearch !== false || !name.startsWith(PRESET_PREFIX)) return null;
      const reason = 'always searches the web; leave the web search out or choose a model that is no preset';
      return { option: 'webSearch', reason };
    },

    answer(call, request, sink) {
      const body = bodyOf(request);
      return answerByResponses(transport, call, sink, { path: '/v1/agent', model: request.model.name, body });
    },
  };
}

/** Its own models and those of other vendors that it passes questions on to, with its search for both. */
function modelsIn(json: unknown): ListedModel[] {
  return listEntries(json).flatMap((entry) => {
    const name = asText(entry.id);
    if (name === null || !doesItChat(entry, name)) return [];
    // The list does not say which models accept images.
    const capabilities: ModelCapability[] = isOwn(name) ? ['IMAGE_INPUT', 'WEB_SEARCH'] : ['WEB_SEARCH'];
    return listedModel(name, { ...listedFacts(entry, name), capabilities });
  });
}

function isOwn(model: string): boolean {
  return model.startsWith('perplexity/');
}

function isOpenAiReasoner(model: string): boolean {
  const [vendor, name = ''] = model.split('/');
  return vendor === 'openai' && isReasoner(name);
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
function bodyOf({ model: { name }, options, turns }: AnswerRequest): JsonObject {
  const { systemPrompt, effort, webSearch } = options;
  const maxOutputTokens = options.maxOutputTokens ?? requiredOutputTokens(name);
  const isPreset = name.startsWith(PRESET_PREFIX);
  return {
    // A preset sets model and tools itself.
    ...(isPreset
      ? { preset: name.slice(PRESET_PREFIX.length) }
      : { model: name, ...(webSearch !== false && { tools: [{ type: 'web_search' }] }) }),
    ...(systemPrompt !== null && { instructions: systemPrompt }),
    input: responsesInput(turns, 'PERPLEXITY', name),
    stream: true,
    store: false,
    ...fieldsBy(RESPONSES_OPTIONS, { ...options, maxOutputTokens }),
    ...(effort !== null && { reasoning: { effort: effortWord(effort) } }),
  };
}

/** Models of Anthropic need a limit. */
function requiredOutputTokens(model: string): number | null {
  const prefix = 'anthropic/';
  return model.startsWith(prefix) ? mostTokensOf(model.slice(prefix.length)) : null;
}
