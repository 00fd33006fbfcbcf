import { dataFrame, freshId, nowSeconds, padding } from './frame.ts';
import { asObjects, asText, type JsonObject } from './json.ts';
import { mistralRefusal } from './mistral-refusal.ts';
import { type ChatFlavour, chatFrames, DONE } from './openai-chat.ts';
import { readChat } from './openai-read.ts';
import { findOutOfRange } from './option-rules.ts';
import {
  type Asked,
  bearerKey,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';

const FIELDS = [
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'temperature',
  'top_p',
  'stop',
  'random_seed',
  'safe_prompt',
  'reasoning_effort',
  'prompt_mode',
  'response_format',
  'tools',
  'tool_choice',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'prediction',
  'parallel_tool_calls',
  'metadata',
  'prompt_cache_key',
];
const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];

/** Mistral: chat completions with its own capabilities, thinking parts and strictness. */
export const mistral: SimulatedProvider = {
  name: 'MISTRAL',
  mount: '/mistral',
  basePath: '/mistral/v1',
  faultModelPrefix: 'mistral-sim-',
  models: [
    modelFacts('mistral-small-latest', {
      title: 'mistral-small-2603',
      contextTokens: 262_144,
      aliases: ['mistral-small-2603'],
    }),
    modelFacts('mistral-small-2603', {
      title: 'mistral-small-2603',
      contextTokens: 262_144,
      aliases: ['mistral-small-latest'],
    }),
    modelFacts('mistral-large-latest', { title: 'mistral-large-2512', contextTokens: 262_144 }),
    modelFacts('magistral-medium-latest', {
      title: 'magistral-medium-2509',
      reasons: true,
      readsImages: false,
      shutdownDate: '2090-03-31T12:00:00Z',
      replacement: 'mistral-medium-2604',
    }),
    modelFacts('mistral-medium-2604', {
      title: 'mistral-medium-3.5',
      contextTokens: 262_144,
      reasons: true,
      efforts: ['none', 'high'],
    }),
    modelFacts('mistral-embed', { title: 'mistral-embed', chats: false, readsImages: false }),
  ],
  maxBodyBytes: 68_000_000, // a document of 50 MB, in base64
  headers: { 'mistral-correlation-id': 'simulated' },
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/v1/models')
      return { type: 'list', key: 'required', reply: listModels };
    if (method === 'POST' && path === '/v1/chat/completions') {
      return { type: 'answer', key: 'required', read: readQuestion };
    }
    return null;
  },
  refuse: mistralRefusal,
};

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map((model) => ({
    id: model.id,
    object: 'model',
    created: nowSeconds(),
    owned_by: 'mistralai',
    capabilities: {
      completion_chat: model.chats,
      completion_fim: false,
      function_calling: model.chats,
      reasoning: model.reasons,
      fine_tuning: false,
      vision: model.readsImages,
      ocr: false,
      classification: false,
      moderation: false,
      audio: false,
    },
    name: model.title,
    description: 'A simulated model.',
    max_context_length: model.contextTokens,
    aliases: model.aliases,
    deprecation: model.shutdownDate,
    deprecation_replacement_model: model.replacement,
    default_model_temperature: 0.3,
    type: 'base',
  }));
  return { status: 200, body: { object: 'list', data } };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const unknownField = Object.keys(body).find((name) => !FIELDS.includes(name));
  if (unknownField) return mistralRefusal(refusal('unknown-field', { detail: unknownField }));
  const conversation = readChat(body);
  if (!conversation) return mistralRefusal(refusal('bad-request', { detail: 'messages: Field required' }));
  const wrongRole = asObjects(body.messages).find(({ role }) => !ROLES.includes(asText(role)));
  if (wrongRole) return invalid('messages', `Unexpected role ${asText(wrongRole.role)}`);
  const outside = findOutOfRange(body, { temperature: [0, 1.5], top_p: [0, 1] });
  if (outside) {
    const bound =
      outside.value < outside.min
        ? `greater than or equal to ${outside.min}`
        : `less than or equal to ${outside.max}`;
    return invalid(outside.name, `Input should be ${bound}`);
  }
  const effort = asText(body.reasoning_effort);
  if (effort !== '' && !EFFORTS.includes(effort))
    return invalid('reasoning_effort', 'Input should be a known effort');
  if (conversation.turns.at(-1)?.role !== 'user') {
    const detail =
      'Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant';
    return mistralRefusal(refusal('bad-request', { detail }));
  }
  return { conversation, frames: chatFrames(mistralFlavour(asText(body.model))) };
}

const ROLES = ['system', 'user', 'assistant', 'tool'];

function invalid(field: string, msg: string): Reply {
  const message = { detail: [{ type: 'value_error', loc: ['body', field], msg }] };
  const body = { object: 'error', message, type: 'invalid_request_error', raw_status_code: 422 };
  return { status: 422, body };
}

function mistralFlavour(model: string): ChatFlavour {
  const id = freshId('');
  const created = nowSeconds();
  let chunkCount = 0;
  const envelope: ChatFlavour['envelope'] = (object, choices, usage) => ({
    id,
    object,
    created,
    model,
    choices,
    ...(usage ? { usage } : {}),
    ...(object === 'chat.completion.chunk' ? { p: padding(chunkCount++) } : {}),
  });
  const choice: ChatFlavour['choice'] = (delta, finishReason) => ({
    index: 0,
    delta,
    finish_reason: finishReason,
    logprobs: null,
  });
  return {
    envelope,
    choice,
    openingDelta: { role: 'assistant', content: '' },
    reasoningDelta: (text) => ({ content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] }),
    sourcesDelta: (sources) => ({
      content: [{ type: 'reference', reference_ids: sources.map((_, index) => index + 1) }],
    }),
    usage: (tokens) => ({
      prompt_tokens: tokens.input,
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
      completion_tokens: tokens.text + tokens.reasoning,
      prompt_tokens_details: { cached_tokens: tokens.cached },
      num_cached_tokens: tokens.cached,
    }),
    usageRidesOn: 'finish-event',
    keepalive: [],
    // An answer that was under way ends with a finish reason of its own; before that it is an error object.
    failure: (isFirst) =>
      isFirst
        ? [
            dataFrame({
              object: 'error',
              message: 'Service unavailable.',
              type: 'internal_server_error',
              code: '3000',
            }),
          ]
        : [dataFrame(envelope('chat.completion.chunk', [choice({ content: '' }, 'error')])), DONE],
  };
}
