import { modelFault } from './faults.ts';
import { asObjects, type JsonObject } from './json.ts';
import { chatFrames } from './openai-chat.ts';
import { refuseChatParts, refuseInputParts } from './openai-files.ts';
import { openaiFlavour } from './openai-flavour.ts';
import { asksForSummary, readChat, readResponses } from './openai-read.ts';
import { openaiRefusal } from './openai-refusal.ts';
import { responsesFrames } from './openai-responses.ts';
import {
  asksForEncrypted,
  refuseChat,
  refuseResponses,
  responsesUsage,
  wantsPadding,
  writtenTokens,
} from './openai-rules.ts';
import {
  type Asked,
  bearerKey,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';

const REASONS = { reasons: true, contextTokens: 400_000 };
const LOW_TO_HIGH = ['low', 'medium', 'high'];
const LOW_TO_MAX = [...LOW_TO_HIGH, 'xhigh', 'max'];

/** OpenAI: Responses, and chat completions except for the models that speak nothing but Responses. */
export const openai: SimulatedProvider = {
  name: 'OPENAI',
  mount: '/openai',
  basePath: '/openai/v1',
  faultModelPrefix: 'gpt-sim-',
  models: [
    modelFacts('gpt-5.6-luna', { ...REASONS, efforts: ['none', ...LOW_TO_MAX] }),
    modelFacts('gpt-5.1', { ...REASONS, efforts: ['none', ...LOW_TO_HIGH] }),
    modelFacts('gpt-4.1-nano', { contextTokens: 1_047_576 }),
    modelFacts('o4-mini', {
      ...REASONS,
      contextTokens: 200_000,
      efforts: LOW_TO_HIGH,
      shutdownDate: '2090-04-30',
    }),
    modelFacts('gpt-5.6-pro', { ...REASONS, efforts: ['medium', 'high', 'xhigh'] }),
    modelFacts('gpt-5.3-codex', { ...REASONS, efforts: [...LOW_TO_HIGH, 'xhigh'] }),
    modelFacts('gpt-6-sol', { ...REASONS, efforts: ['none', ...LOW_TO_MAX] }),
    modelFacts('gpt-6-astra', { ...REASONS, efforts: LOW_TO_MAX }),
    modelFacts('gpt-6.1-sol', { ...REASONS, efforts: LOW_TO_MAX }),
    modelFacts('ft:gpt-4.1-nano:acme::B7x1', { contextTokens: 1_047_576 }),
    modelFacts('gpt-image-2', { chats: false }),
    modelFacts('text-embedding-3-small', { chats: false }),
  ],
  maxBodyBytes: 68_000_000, // 50 MB of files, in base64
  headers: {
    'x-request-id': 'req_simulated',
    'openai-organization': 'org-simulated',
    'x-ratelimit-limit-requests': '10000',
    'x-ratelimit-remaining-requests': '9999',
    'x-ratelimit-reset-requests': '6ms',
  },
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/v1/models')
      return { type: 'list', key: 'required', reply: listModels };
    if (method === 'POST' && path === '/v1/chat/completions') {
      return { type: 'answer', key: 'required', read: readChatQuestion };
    }
    if (method === 'POST' && path === '/v1/responses') {
      return { type: 'answer', key: 'required', read: readResponsesQuestion };
    }
    return null;
  },
  refuse: openaiRefusal,
};

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map((model) => ({
    id: model.id,
    object: 'model',
    created: 1_770_000_000,
    owned_by: 'system',
    shutdown_date: model.shutdownDate,
  }));
  return { status: 200, body: { object: 'list', data } };
}

function readChatQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return badRequest("Missing required parameter: 'messages'.");
  const { model } = conversation;
  if (!speaksChat(model)) return NOT_A_CHAT_MODEL;
  const refused =
    refuseChat(factsOf(model), body) ?? refuseChatParts(factsOf(model), asObjects(body.messages));
  if (refused) return refused;
  const stop = body.stop;
  if (Array.isArray(stop) && stop.length > 4)
    return badRequest("Invalid 'stop': array too long. Expected at most 4.");
  return { conversation, frames: chatFrames(openaiFlavour(model, body)) };
}

function readResponsesQuestion(body: JsonObject): Asked | Reply {
  const conversation = readResponses(body);
  if (!conversation) return badRequest("Missing required parameter: 'input'.");
  const { model } = conversation;
  const refused =
    refuseResponses(factsOf(model), body) ?? refuseInputParts(factsOf(model), asObjects(body.input));
  if (refused) return refused;
  const frames = responsesFrames(model, {
    showsReasoning: asksForSummary(body) || modelFault(model) === 'reasoning',
    encryptsReasoning: asksForEncrypted(body),
    pads: wantsPadding(body),
    usage: (tokens) => responsesUsage(tokens, writtenTokens(model, tokens)),
    failure: SERVER_ERROR,
  });
  return { conversation, frames };
}

const SERVER_ERROR = {
  type: 'server_error',
  code: 'server_error',
  message: 'The server had an error while processing your request. Sorry about that!',
  param: null,
};

function factsOf(model: string): ModelFacts | undefined {
  return openai.models.find(({ id }) => id === model);
}

function badRequest(detail: string): Reply {
  return openaiRefusal(refusal('bad-request', { detail }));
}

const NOT_A_CHAT_MODEL: Reply = {
  status: 404,
  body: {
    error: {
      message:
        'This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?',
      type: 'invalid_request_error',
      param: 'model',
      code: null,
    },
  },
};

function speaksChat(model: string): boolean {
  return !/-pro\b|codex|deep-research|embedding|image|tts|audio|whisper/.test(model);
}
