import { modelFault } from './faults.ts';
import { asObject, asText, type JsonObject } from './json.ts';
import { chatFrames } from './openai-chat.ts';
import { openaiFlavour } from './openai-flavour.ts';
import { asksForSummary, readChat, readResponses } from './openai-read.ts';
import { openaiRefusal } from './openai-refusal.ts';
import { responsesFrames } from './openai-responses.ts';
import {
  type Asked,
  bearerKey,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';

/** OpenAI: chat completions, and Responses for the models that speak nothing else. */
export const openai: SimulatedProvider = {
  name: 'OPENAI',
  mount: '/openai',
  basePath: '/openai/v1',
  faultModelPrefix: 'gpt-sim-',
  models: [
    modelFacts('gpt-5.6-luna', { reasons: true, contextTokens: 400_000 }),
    modelFacts('gpt-5.1', { reasons: true, contextTokens: 400_000 }),
    modelFacts('gpt-4.1-nano', { contextTokens: 1_047_576 }),
    modelFacts('o4-mini', { reasons: true, contextTokens: 200_000 }),
    modelFacts('gpt-5.6-pro', { reasons: true, contextTokens: 400_000 }),
    modelFacts('gpt-5.3-codex', { reasons: true, contextTokens: 400_000 }),
    modelFacts('ft:gpt-4.1-nano:acme::B7x1', { contextTokens: 1_047_576 }),
    modelFacts('gpt-image-2', { chats: false }),
    modelFacts('text-embedding-3-small', { chats: false }),
  ],
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
    shutdown_date: null,
  }));
  return { status: 200, body: { object: 'list', data } };
}

function readChatQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return badRequest("Missing required parameter: 'messages'.");
  const { model } = conversation;
  if (!speaksChat(model)) return NOT_A_CHAT_MODEL;
  const refused = reasoningModelRefusal(model, body);
  if (refused) return refused;
  const stop = body.stop;
  if (Array.isArray(stop) && stop.length > 4)
    return badRequest("Invalid 'stop': array too long. Expected at most 4.");
  return { conversation, frames: chatFrames(openaiFlavour(model, body)) };
}

function readResponsesQuestion(body: JsonObject): Asked | Reply {
  const conversation = readResponses(body);
  if (!conversation) return badRequest("Missing required parameter: 'input'.");
  const pads = asObject(body.stream_options)?.include_obfuscation !== false;
  const showsReasoning = asksForSummary(body) || modelFault(conversation.model) === 'reasoning';
  return { conversation, frames: responsesFrames(conversation.model, { showsReasoning, pads }) };
}

/** What models that reason refuse: `max_tokens`, sampling, and for some of them `stop`. */
function reasoningModelRefusal(model: string, body: JsonObject): Reply | null {
  if (!/^(o\d|gpt-[5-9])/.test(model) || model.includes('-chat')) return null;
  if (body.max_tokens !== undefined)
    return unsupportedParameter('max_tokens', " Use 'max_completion_tokens' instead.");
  const isSampled = /^gpt-5\.[1-9]/.test(model) && asText(body.reasoning_effort) === 'none';
  for (const name of ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty']) {
    if (body[name] !== undefined && body[name] !== 1 && !isSampled) return unsupportedParameter(name, '');
  }
  if (body.stop !== undefined && /^(o3|o4-mini)/.test(model)) return unsupportedParameter('stop', '');
  return null;
}

function unsupportedParameter(name: string, advice: string): Reply {
  const message = `Unsupported parameter: '${name}' is not supported with this model.${advice}`;
  const error = { message, type: 'invalid_request_error', param: name, code: 'unsupported_parameter' };
  return { status: 400, body: { error } };
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
