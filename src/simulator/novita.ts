import { modelFault } from './faults.ts';
import { dataFrame, freshId, nowSeconds } from './frame.ts';
import { findPartFault, type ImageUrlRules, type PartFault } from './image-url-rules.ts';
import { asObject, asObjects, type JsonObject } from './json.ts';
import { novitaRefusal } from './novita-refusal.ts';
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

const PRICE_UNITS_PER_DOLLAR = 10_000;

/** Novita AI: chat completions, a list that needs no key, and a balance that proves one. */
export const novita: SimulatedProvider = {
  name: 'NOVITA',
  mount: '/novita',
  basePath: '/novita/openai/v1',
  faultModelPrefix: 'simulated/sim-',
  models: [
    modelFacts('deepseek/deepseek-v3.1', { title: 'DeepSeek V3.1', readsImages: false, inputPrice: 0.27 }),
    modelFacts('deepseek/deepseek-r1', {
      title: 'DeepSeek R1',
      readsImages: false,
      reasons: true,
      inputPrice: 0.7,
    }),
    modelFacts('qwen/qwen3-vl-235b-a22b-instruct', { title: 'Qwen3 VL 235B', inputPrice: 0.3 }),
    modelFacts('baai/bge-m3', { title: 'BGE M3', chats: false, readsImages: false }),
  ],
  maxBodyBytes: 20_000_000, // it states none
  headers: { 'x-trace-id': 'simulated' },
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/openai/v1/models')
      return { type: 'list', key: 'ignored', reply: listModels };
    if (method === 'GET' && path === '/openapi/v1/billing/balance/detail') {
      return { type: 'check', key: 'required', reply: tellBalance };
    }
    if (method === 'POST' && path === '/openai/v1/chat/completions') {
      return { type: 'answer', key: 'required', read: readQuestion };
    }
    return null;
  },
  refuse: novitaRefusal,
};

function tellBalance(secret: string): Reply {
  const availableBalance = secret.includes('quota') ? '0' : '250000';
  const body = {
    availableBalance,
    cashBalance: availableBalance,
    creditLimit: '0',
    pendingCharges: '0',
    outstandingInvoices: '0',
  };
  return { status: 200, body };
}

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map((model) => ({
    id: model.id,
    object: 'model',
    created: 1_770_000_000,
    owned_by: 'unknown',
    title: model.id,
    display_name: model.title,
    description: 'A simulated model.',
    context_size: model.contextTokens,
    max_output_tokens: model.outputTokens,
    model_type: model.chats ? 'chat' : 'embedding',
    features: ['serverless', ...(model.reasons ? ['reasoning'] : [])],
    input_modalities: model.readsImages ? ['text', 'image'] : ['text'],
    output_modalities: ['text'],
    endpoints: model.chats ? ['chat/completions', 'completions'] : ['embeddings'],
    status: 1,
    input_token_price_per_m: model.inputPrice * PRICE_UNITS_PER_DOLLAR,
    output_token_price_per_m: model.outputPrice * PRICE_UNITS_PER_DOLLAR,
    pricing: { prompt: priceOf(model.inputPrice), completion: priceOf(model.outputPrice) },
  }));
  return { status: 200, body: { data } };
}

function priceOf(dollars: number): object {
  return { price_per_m: dollars * PRICE_UNITS_PER_DOLLAR, price_per_m_decimal: String(dollars) };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return novitaRefusal(refusal('bad-request', { detail: 'messages is required' }));
  const model = novita.models.find(({ id }) => id === conversation.model);
  const found = findPartFault(asObjects(body.messages), model?.readsImages !== false, PARTS);
  if (found !== null)
    return novitaRefusal(refusal('bad-request', { detail: `messages: ${WRONG_PARTS[found.fault]}` }));
  const tellsUsage = asObject(body.stream_options)?.include_usage === true;
  const separates = body.separate_reasoning === true || modelFault(conversation.model) === 'reasoning';
  return { conversation, frames: chatFrames(novitaFlavour(conversation.model, tellsUsage, separates)) };
}

const PARTS: ImageUrlRules = {
  partTypes: ['text', 'image_url'],
  imageTypes: ['image/png', 'image/jpeg'],
  imageBytes: 10_000_000,
  imageCount: Number.POSITIVE_INFINITY,
};

const WRONG_PARTS: Record<PartFault['fault'], string> = {
  'unknown-part': 'unknown content type',
  'empty-text': 'text is required',
  'no-vision': 'this model does not support image input',
  'bad-base64': 'invalid image url',
  'not-an-image': 'cannot decode image',
  'wrong-type': 'unsupported image type',
  'too-large': 'image is too large',
  'too-many': 'too many images',
};

function novitaFlavour(model: string, tellsUsage: boolean, separatesReasoning: boolean): ChatFlavour {
  const id = freshId('');
  const created = nowSeconds();
  let isThinking = false;
  const leaveThought = () => {
    const closing = isThinking ? '\n</think>\n\n' : '';
    isThinking = false;
    return closing;
  };
  return {
    envelope: (object, choices, usage) => ({
      id,
      object,
      created,
      model,
      choices,
      system_fingerprint: '',
      ...(usage ? { usage } : {}),
    }),
    choice: (delta, finishReason) => ({
      index: 0,
      delta,
      finish_reason: finishReason,
      content_filter_results: { hate: { filtered: false }, violence: { filtered: false } },
    }),
    openingDelta: { role: 'assistant', content: '' },
    reasoningDelta: (text) => {
      if (separatesReasoning) return { reasoning_content: text };
      const opening = isThinking ? '' : '<think>\n';
      isThinking = true;
      return { content: opening + text };
    },
    textDelta: (text) => ({ content: leaveThought() + text }),
    usage: (tokens) => ({
      prompt_tokens: tokens.input,
      completion_tokens: tokens.text + tokens.reasoning,
      total_tokens: tokens.input + tokens.text + tokens.reasoning,
      prompt_tokens_details: null,
      completion_tokens_details: null,
    }),
    usageRidesOn: tellsUsage ? 'own-event' : 'nothing',
    keepalive: [],
    failure: () => [
      dataFrame({ code: 500, reason: 'INTERNAL_ERROR', message: 'backend error', metadata: {} }),
    ],
  };
}
