import { findPartFault, type ImageUrlRules } from './image-url-rules.ts';
import { asObjects, type JsonObject } from './json.ts';
import { placedParts } from './message-parts.ts';
import { readResponses } from './openai-read.ts';
import { unknownField } from './option-rules.ts';
import { perplexityFrames } from './perplexity-frames.ts';
import { perplexityRefusal } from './perplexity-refusal.ts';
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
  'preset',
  'instructions',
  'input',
  'max_output_tokens',
  'temperature',
  'top_p',
  'stream',
  'tools',
  'reasoning',
  'store',
];
const PRESETS = ['fast', 'low', 'medium', 'high', 'xhigh'];
const MIN_OUTPUT_TOKENS = 16;

/** Perplexity's Agent API. Its list needs no key, and its old chat completions are gone. */
export const perplexity: SimulatedProvider = {
  name: 'PERPLEXITY',
  mount: '/perplexity',
  basePath: '/perplexity',
  faultModelPrefix: 'perplexity/sim-',
  models: [
    modelFacts('perplexity/sonar', { inputPrice: 0.25, outputPrice: 2.5 }),
    modelFacts('anthropic/claude-sonnet-5', { reasons: true, inputPrice: 2, outputPrice: 10 }),
    modelFacts('openai/gpt-5.6-luna', { reasons: true, inputPrice: 0.2, outputPrice: 1.2 }),
    modelFacts('google/gemini-3-pro-preview', { reasons: true, inputPrice: 2, outputPrice: 12 }),
  ],
  maxBodyBytes: 32 * 1024 * 1024,
  headers: { 'x-request-id': 'simulated', 'x-ratelimit-limit': '50', 'x-ratelimit-remaining': '49' },
  keyOf: bearerKey,
  route: ({ method, path }) => {
    if (method === 'GET' && path === '/v1/models') return { type: 'list', key: 'ignored', reply: listModels };
    // Asking for an answer that does not exist distinguishes a valid key (404) from a bad one (401) without a cost.
    if (method === 'GET' && path.startsWith('/v1/responses/')) {
      return { type: 'check', key: 'required', reply: checkKey };
    }
    if (method === 'POST' && (path === '/v1/agent' || path === '/v1/responses')) {
      return { type: 'answer', key: 'required', read: readQuestion };
    }
    if (method === 'POST' && /^(\/v1)?\/(sonar|chat\/completions)$/.test(path)) {
      return { type: 'reply', reply: CHAT_IS_GONE };
    }
    return null;
  },
  refuse: perplexityRefusal,
};

function listModels(models: readonly ModelFacts[]): Reply {
  const data = models.map(({ id, inputPrice, outputPrice }) => ({
    id,
    object: 'model',
    created: 0,
    owned_by: id.split('/')[0],
    pricing: {
      input: inputPrice,
      output: outputPrice,
      cache_read: inputPrice / 4,
      unit: 'usd_per_1m_tokens',
    },
  }));
  return { status: 200, body: { object: 'list', data } };
}

function checkKey(secret: string): Reply {
  // Exhausted credits are documented as a 401 of every endpoint.
  return perplexityRefusal(refusal(secret.includes('quota') ? 'no-credit' : 'unknown-path'));
}

function readQuestion(body: JsonObject): Asked | Reply {
  const field = unknownField(body, FIELDS);
  if (field) return perplexityRefusal(refusal('unknown-field', { detail: field }));
  const asked = readResponses(body);
  if (!asked) return badRequest('input is required');
  const preset = body.preset;
  if (!asked.model && !PRESETS.includes(String(preset))) return badRequest('model or preset is required');
  const limit = asked.maxOutputTokens;
  if (limit !== null && limit < MIN_OUTPUT_TOKENS) return badRequest('max_output_tokens must be at least 16');
  if (limit === null && asked.model.startsWith('anthropic/')) {
    return badRequest('max_output_tokens is required for anthropic models');
  }
  const unfit = refuseParts(asObjects(body.input));
  if (unfit) return unfit;
  // A preset searches by itself.
  const conversation = asked.model ? asked : { ...asked, model: 'perplexity/sonar', wantsSources: true };
  return { conversation, frames: perplexityFrames(conversation.model) };
}

const PARTS: ImageUrlRules = {
  partTypes: ['input_text', 'input_image', 'output_text'],
  imageTypes: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'],
  imageBytes: Number.POSITIVE_INFINITY, // the body has a limit
  imageCount: Number.POSITIVE_INFINITY,
};
const PART_FIELDS = ['type', 'text', 'image_url'];

function refuseParts(messages: readonly JsonObject[]): Reply | null {
  const found = findPartFault(messages, true, PARTS);
  if (found?.fault === 'unknown-part') return badRequest(`unsupported content type "${found.type}"`);
  const field = placedParts(messages).flatMap(({ part }) => unknownField(part, PART_FIELDS) ?? [])[0];
  if (field !== undefined) return perplexityRefusal(refusal('unknown-field', { detail: field }));
  if (found === null) return null;
  return badRequest(
    found.fault === 'empty-text' ? 'text must not be empty' : 'image_url is not a valid image',
  );
}

function badRequest(detail: string): Reply {
  return perplexityRefusal(refusal('bad-request', { detail }));
}

const CHAT_IS_GONE: Reply = {
  status: 403,
  body: {
    error: {
      message: 'Sonar is now the Agent API. Use /v1/responses instead of /v1/sonar (or /chat/completions)',
      type: 'chat_completions_not_available',
      code: 403,
    },
  },
};
