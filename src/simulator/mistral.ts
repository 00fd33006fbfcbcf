import { dataFrame, freshId, nowSeconds, padding } from './frame.ts';
import { findPartFault, type ImageUrlRules, type PartFault } from './image-url-rules.ts';
import { asObjects, asText, type JsonObject } from './json.ts';
import { filesIn, placedParts } from './message-parts.ts';
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
  const unfit = refuseFiles(conversation.model, asObjects(body.messages));
  if (unfit) return unfit;
  return { conversation, frames: chatFrames(mistralFlavour(asText(body.model))) };
}

const PARTS: ImageUrlRules = {
  partTypes: ['text', 'image_url', 'document_url', 'file', 'reference', 'thinking', 'input_audio'],
  imageTypes: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'],
  imageBytes: 10_000_000,
  imageCount: 8,
};
const MOST_DOCUMENT_BYTES = 50_000_000;
const MOST_PAGES = 1_000;

function refuseFiles(model: string, messages: readonly JsonObject[]): Reply | null {
  const facts = mistral.models.find(({ id }) => id === model);
  const found = findPartFault(messages, facts?.readsImages !== false, PARTS);
  if (found !== null) return refusePart(found, model);
  for (const { file } of filesIn(placedParts(messages))) {
    if (file.form === 'image' || /^https:/.test(file.link)) continue;
    if (file.mediaType !== 'application/pdf')
      return badRequest(`Document content must be a PDF, got ${file.mediaType || 'no data URL'}`);
    if (!file.isReadable || file.trueType !== file.mediaType || file.isEncrypted)
      return badRequest('Document could not be parsed');
    if (file.sizeBytes > MOST_DOCUMENT_BYTES) return badRequest('Document content must be at most 50 MB');
    if (file.pages > MOST_PAGES)
      return badRequest(`Document content must have at most ${MOST_PAGES} pages, got ${file.pages}`);
  }
  return null;
}

function refusePart(found: PartFault, model: string): Reply {
  switch (found.fault) {
    case 'unknown-part':
      return invalid('messages', `Input tag '${found.type}' does not match any of the expected tags`);
    case 'empty-text':
      return badRequest('Text content chunk must not be empty');
    case 'no-vision':
      return badRequest(`Image input is not enabled for this model: ${model}`);
    case 'bad-base64':
      return badRequest('Image, from provided url, could not be loaded as a valid image');
    case 'not-an-image':
    case 'wrong-type':
      return badRequest('Image format is not supported. Supported formats: png, jpeg, webp, gif');
    case 'too-large':
      return badRequest('Image content must be at most 10 MB');
    case 'too-many':
      return badRequest(`Too many images in request: ${found.images}. Maximum is ${PARTS.imageCount}`);
    default:
      return found satisfies never;
  }
}

function badRequest(detail: string): Reply {
  return mistralRefusal(refusal('bad-request', { detail }));
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
