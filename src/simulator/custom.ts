import { customRefusal } from './custom-refusal.ts';
import { dataFrame, freshId, nowSeconds } from './frame.ts';
import { findPartFault, type ImageUrlRules, type PartFault } from './image-url-rules.ts';
import { asObject, asObjects, type JsonObject } from './json.ts';
import { type ChatFlavour, chatFrames } from './openai-chat.ts';
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

/** A server on a person's own machine, somewhere between Ollama and vLLM. It needs no key. */
export const custom: SimulatedProvider = {
  name: 'CUSTOM',
  mount: '/custom',
  basePath: '/custom/v1',
  faultModelPrefix: 'sim-',
  models: [
    modelFacts('llama3.2:latest', { contextTokens: 131_072, readsImages: false }),
    modelFacts('qwen3:8b', { contextTokens: 40_960, readsImages: false, reasons: true }),
    modelFacts('gemma3:4b', { contextTokens: 131_072 }),
  ],
  maxBodyBytes: 20_000_000, // as such servers and their proxies are often set
  headers: {},
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/v1/models')
      return { type: 'list', key: 'optional', reply: listModels };
    if (method === 'POST' && path === '/v1/chat/completions') {
      return { type: 'answer', key: 'optional', read: readQuestion };
    }
    return null;
  },
  refuse: customRefusal,
};

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map((model) => ({
    id: model.id,
    object: 'model',
    created: nowSeconds(),
    owned_by: 'library',
    max_model_len: model.contextTokens,
  }));
  return { status: 200, body: { object: 'list', data } };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return customRefusal(refusal('bad-request', { detail: 'messages are required' }));
  const model = custom.models.find(({ id }) => id === conversation.model);
  const found = findPartFault(asObjects(body.messages), model?.readsImages !== false, PARTS);
  if (found !== null) return customRefusal(refusal('bad-request', { detail: WRONG_PARTS[found.fault] }));
  const tellsUsage = asObject(body.stream_options)?.include_usage === true;
  return { conversation, frames: chatFrames(customFlavour(conversation.model, tellsUsage)) };
}

const PARTS: ImageUrlRules = {
  partTypes: ['text', 'image_url'],
  imageTypes: ['image/png', 'image/jpeg'],
  imageBytes: Number.POSITIVE_INFINITY,
  imageCount: Number.POSITIVE_INFINITY,
};

const WRONG_PARTS: Record<PartFault['fault'], string> = {
  'unknown-part': 'unsupported content[].type',
  'empty-text': 'content[].text must not be empty',
  'no-vision': 'At most 0 image(s) may be provided in one prompt.',
  'bad-base64': 'invalid image url',
  'not-an-image': 'Failed to load image or audio file',
  'wrong-type': 'Failed to load image or audio file',
  'too-large': 'Failed to load image or audio file',
  'too-many': 'too many images',
};

function customFlavour(model: string, tellsUsage: boolean): ChatFlavour {
  const id = freshId('chatcmpl-');
  const created = nowSeconds();
  return {
    envelope: (object, choices, usage) => ({
      id,
      object,
      created,
      model,
      system_fingerprint: 'fp_ollama',
      choices,
      ...(usage ? { usage } : {}),
    }),
    choice: (delta, finishReason) => ({ index: 0, delta, finish_reason: finishReason }),
    openingDelta: { role: 'assistant', content: null },
    reasoningDelta: (text) => ({ content: '', reasoning: text }),
    usage: (tokens) => ({
      prompt_tokens: tokens.input,
      completion_tokens: tokens.text + tokens.reasoning,
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
    }),
    usageRidesOn: tellsUsage ? 'own-event' : 'nothing',
    // Gateways in front of such servers send comments to keep the line open.
    keepalive: [': PROCESSING\n\n'],
    failure: () => [dataFrame({ error: { message: 'Provider returned error', code: 502 }, choices: [] })],
  };
}
