import { asObject, type JsonObject } from './json.ts';
import { chatFrames } from './openai-chat.ts';
import { readChat } from './openai-read.ts';
import {
  type Asked,
  bearerKey,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';
import { xaiFlavour } from './xai-flavour.ts';
import { xaiRefusal } from './xai-refusal.ts';

const PRICE_UNITS_PER_DOLLAR = 10_000;

/** xAI: chat completions that show their reasoning and count it apart from the text. */
export const xai: SimulatedProvider = {
  name: 'XAI',
  mount: '/xai',
  basePath: '/xai/v1',
  faultModelPrefix: 'grok-sim-',
  models: [
    modelFacts('grok-4.3', {
      contextTokens: 256_000,
      aliases: ['grok-latest'],
      inputPrice: 1.25,
      outputPrice: 2.5,
    }),
    modelFacts('grok-4-fast-reasoning', {
      contextTokens: 2_000_000,
      reasons: true,
      inputPrice: 0.2,
      outputPrice: 0.5,
    }),
    modelFacts('grok-3-mini', {
      contextTokens: 131_072,
      reasons: true,
      readsImages: false,
      inputPrice: 0.3,
      outputPrice: 0.5,
    }),
    modelFacts('grok-imagine-image', { chats: false }),
  ],
  headers: {
    'x-request-id': 'simulated',
    'x-ratelimit-limit-requests': '480',
    'x-ratelimit-remaining-requests': '479',
  },
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/v1/api-key')
      return { type: 'check', key: 'required', reply: describeKey };
    if (method === 'GET' && path === '/v1/language-models') {
      return { type: 'list', key: 'required', reply: listLanguageModels };
    }
    if (method === 'GET' && path === '/v1/models')
      return { type: 'list', key: 'required', reply: listModels };
    if (method === 'POST' && path === '/v1/chat/completions') {
      return { type: 'answer', key: 'required', read: readQuestion };
    }
    return null;
  },
  refuse: xaiRefusal,
};

/** xAI's answer about a key; one that was switched off is still found here. */
function describeKey(secret: string): Reply {
  const body = {
    redacted_api_key: `xai-…${secret.slice(-4)}`,
    user_id: '00000000-0000-4000-8000-000000000001',
    name: 'A simulated key',
    create_time: '2026-01-01T00:00:00Z',
    modify_time: '2026-01-01T00:00:00Z',
    modified_by: '00000000-0000-4000-8000-000000000001',
    team_id: '00000000-0000-4000-8000-000000000002',
    acls: ['api-key:endpoint:*', 'api-key:model:*'],
    api_key_id: '00000000-0000-4000-8000-000000000003',
    api_key_blocked: false,
    api_key_disabled: secret.includes('disabled'),
    team_blocked: false,
  };
  return { status: 200, body };
}

function listLanguageModels(models: readonly ModelFacts[]): Reply {
  const listed = models
    .filter((model) => model.chats)
    .map((model) => ({
      id: model.id,
      fingerprint: 'fp_5117a7ed00',
      created: 1_770_000_000,
      object: 'model',
      owned_by: 'xai',
      version: '1.0.0',
      input_modalities: model.readsImages ? ['text', 'image'] : ['text'],
      output_modalities: ['text'],
      ...pricesOf(model),
      aliases: model.aliases,
    }));
  return { status: 200, body: { models: listed } };
}

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map((model) => ({
    id: model.id,
    aliases: model.aliases,
    context_length: model.contextTokens,
    created: 1_770_000_000,
    object: 'model',
    owned_by: 'xai',
    ...pricesOf(model),
    ...(model.reasons ? { capabilities: { reasoning_effort: ['low', 'high'] } } : {}),
  }));
  return { status: 200, body: { object: 'list', data } };
}

function pricesOf(model: ModelFacts): object {
  return {
    prompt_text_token_price: model.inputPrice * PRICE_UNITS_PER_DOLLAR,
    cached_prompt_text_token_price: (model.inputPrice * PRICE_UNITS_PER_DOLLAR) / 4,
    prompt_image_token_price: 0,
    completion_text_token_price: model.outputPrice * PRICE_UNITS_PER_DOLLAR,
    search_price: 0,
  };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return xaiRefusal(refusal('bad-request', { detail: 'missing field `messages`' }));
  const facts = xai.models.find((model) => model.id === conversation.model);
  const refused = ['presence_penalty', 'frequency_penalty', 'stop'].find((name) => body[name] !== undefined);
  if (facts?.reasons && refused) {
    const detail = `Argument not supported on this model: ${refused}`;
    return xaiRefusal(refusal('bad-request', { detail }));
  }
  const wantsSources = asObject(body.search_parameters) !== null;
  return {
    conversation: { ...conversation, wantsSources },
    frames: chatFrames(xaiFlavour(conversation.model)),
  };
}
