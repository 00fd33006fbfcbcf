import { doesItChat } from '../does-it-chat.ts';
import { ProviderError } from '../failure/failure.ts';
import { bearer, type Transport } from '../http/transport.ts';
import { asText, type JsonObject } from '../json.ts';
import { listedFacts } from '../listed-facts.ts';
import { type ManualEntry, type ManualFacts, NO_EFFORTS, readManualFacts } from '../manual-facts.ts';
import { listEntries, listedModel, withoutDuplicates } from '../model-list.ts';
import { effortWord } from '../options.ts';
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

    manualFacts: ({ name }) => manualFacts(name),
    optionSupport(model) {
      return supportBy(RESPONSES_OPTIONS, model, {
        ...(manualFacts(model.name).efforts?.value ?? NO_EFFORTS),
        // Behind Perplexity the rules of other vendors hold as well, and a preset may be any of their models.
        canSample: model.name.startsWith('perplexity/'),
        supportsWebSearch: true,
      });
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
    return name !== null && doesItChat(entry, name) ? listedModel(name, listedFacts(entry, name)) : [];
  });
}

/** What Perplexity's documentation says about a model; its list says nothing of that. */
function manualFacts(model: string): ManualFacts {
  const [vendor, name = ''] = model.split('/');
  const isOpenAiReasoner = vendor === 'openai' && isReasoner(name);
  const facts = readManualFacts(FACTS, model);
  return isOpenAiReasoner ? facts : { ...facts, efforts: null };
}

const asOf = '2026-11-28'; // the guides to images, tools and reasoning of the Agent API

const FACTS: readonly ManualEntry[] = [
  { models: /^(perplexity|preset)\//, asOf, capabilities: ['IMAGE_INPUT', 'WEB_SEARCH'] },
  { models: /./, asOf, capabilities: ['WEB_SEARCH'] }, // which models of others take images it does not say
  { models: /^openai\//, asOf, efforts: ['LOW', 'MEDIUM', 'HIGH'] }, // of those that reason
];

const SONAR = listedModel('perplexity/sonar');

const PRESET_PREFIX = 'preset/';

const PRESET_MODELS = ['fast', 'low', 'medium', 'high', 'xhigh'].map((preset) =>
  listedModel(PRESET_PREFIX + preset, { title: `Perplexity preset: ${preset}` }),
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
