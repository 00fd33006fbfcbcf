import { refuseBlocks } from './anthropic-files.ts';
import { anthropicFrames } from './anthropic-frames.ts';
import { anthropicRefusal } from './anthropic-refusal.ts';
import { displayOf, refuseFields, refuseSignatures, thinkingRules } from './anthropic-rules.ts';
import { modelFault } from './faults.ts';
import { asNumber, asObjects, asText, type JsonObject } from './json.ts';
import { readContent } from './message-parts.ts';
import {
  type Asked,
  type Conversation,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
  type Turn,
} from './provider.ts';

const DEFAULT_PAGE_SIZE = 20;
const MAX_OUTPUT_TOKENS = 64_000;

/** Anthropic's Messages API. */
export const anthropic: SimulatedProvider = {
  name: 'ANTHROPIC',
  mount: '/anthropic',
  basePath: '/anthropic',
  faultModelPrefix: 'claude-sim-',
  models: [
    modelFacts('claude-opus-4-8', { title: 'Claude Opus 4.8', contextTokens: 1_000_000, reasons: true }),
    modelFacts('claude-sonnet-5', { title: 'Claude Sonnet 5', contextTokens: 1_000_000, reasons: true }),
    modelFacts('claude-sonnet-4-5-20250929', { title: 'Claude Sonnet 4.5', contextTokens: 200_000 }),
    modelFacts('claude-haiku-4-5-20251001', { title: 'Claude Haiku 4.5', contextTokens: 200_000 }),
    modelFacts('claude-opus-4-6', { title: 'Claude Opus 4.6', contextTokens: 1_000_000, reasons: true }),
    modelFacts('claude-opus-5-5', { title: 'Claude Opus 5.5', contextTokens: 1_000_000, reasons: true }),
    modelFacts('claude-sonnet-5-5', { title: 'Claude Sonnet 5.5', contextTokens: 1_000_000, reasons: true }),
    modelFacts('claude-haiku-5-5', { title: 'Claude Haiku 5.5', contextTokens: 1_000_000, reasons: true }),
  ],
  maxBodyBytes: 32_000_000,
  headers: {
    'request-id': 'req_simulated',
    'anthropic-organization-id': 'simulated-organization',
    'anthropic-ratelimit-requests-limit': '4000',
    'anthropic-ratelimit-requests-remaining': '3999',
  },
  keyOf: (headers) => headerText(headers['x-api-key']),
  route: ({ method, path, query, headers }) => {
    const isKnown =
      (method === 'GET' && path === '/v1/models') || (method === 'POST' && path === '/v1/messages');
    if (!isKnown) return null;
    if (headers['x-api-key'] && !headers['anthropic-version']) {
      return { type: 'reply', reply: badRequest('anthropic-version: header is required') };
    }
    if (path === '/v1/messages') return { type: 'answer', key: 'required', read: readQuestion };
    // A client that only checks the key asks for one model.
    if (query.get('limit') === '1') {
      return { type: 'check', key: 'required', reply: () => listModels(query, anthropic.models) };
    }
    return { type: 'list', key: 'required', reply: (models) => listModels(query, models) };
  },
  refuse: anthropicRefusal,
};

function listModels(query: URLSearchParams, models: readonly ModelFacts[]): Reply {
  const limit = Number(query.get('limit') ?? DEFAULT_PAGE_SIZE);
  if (!(limit >= 1 && limit <= 1000)) return badRequest('limit: Input should be between 1 and 1000');
  const start = models.findIndex((model) => model.id === query.get('after_id')) + 1;
  const page = models.slice(start, start + limit);
  const data = page.map((model) => ({
    type: 'model',
    id: model.id,
    display_name: model.title,
    created_at: '2026-02-01T00:00:00Z',
    max_input_tokens: model.contextTokens,
    max_tokens: MAX_OUTPUT_TOKENS,
    capabilities: {
      image_input: { supported: model.readsImages },
      pdf_input: { supported: model.readsImages },
      ...thinkingOf(model),
      citations: { supported: true },
      batch: { supported: true },
    },
  }));
  const body = {
    data,
    has_more: start + limit < models.length,
    first_id: page.at(0)?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
  return { status: 200, body };
}

/** The list names the two types of thinking that can be on. */
function thinkingOf({ id }: ModelFacts): object {
  const { types, efforts } = thinkingRules(id);
  const supports = (type: string) => ({ supported: types.includes(type) });
  return {
    thinking: {
      supported: types.length > 0,
      types: { enabled: supports('enabled'), adaptive: supports('adaptive') },
    },
    effort: {
      supported: efforts.length > 0,
      ...Object.fromEntries(efforts.map((effort) => [effort, { supported: true }])),
    },
  };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const messages = asObjects(body.messages);
  const model = asText(body.model);
  const maxTokens = asNumber(body.max_tokens);
  if (!model) return badRequest('model: Field required');
  if (maxTokens === null) return badRequest('max_tokens: Field required');
  if (maxTokens > MAX_OUTPUT_TOKENS) {
    return badRequest(
      `max_tokens: ${maxTokens} > ${MAX_OUTPUT_TOKENS}, which is the maximum allowed number of output tokens for ${model}`,
    );
  }
  if (messages.length === 0) return badRequest('messages: at least one message is required');
  if (messages.some(({ role }) => role !== 'user' && role !== 'assistant')) {
    return badRequest('messages: Unexpected role. Use the top-level `system` parameter for a system prompt.');
  }
  if (messages[0]?.role !== 'user') return badRequest('messages: first message must use the "user" role');
  if (messages.at(-1)?.role !== 'user' && isNewest(model)) {
    return badRequest(
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    );
  }
  if (messages.some(({ content }) => hasEmptyText(content)) || hasEmptyText(body.system ?? 'none')) {
    return badRequest('messages: text content blocks must be non-empty');
  }
  const facts = anthropic.models.find(({ id }) => id === model);
  const refused = refuseFields(body) ?? refuseBlocks(facts, messages) ?? refuseSignatures(model, messages);
  if (refused !== null) return badRequest(refused);
  const conversation: Conversation = {
    model,
    system: readContent(body.system).text || null,
    turns: messages.map(readTurn),
    maxOutputTokens: maxTokens,
    isStreaming: body.stream === true,
    wantsSources: asObjects(body.tools).some((tool) => asText(tool.type).startsWith('web_search')),
    cacheKey: body.cache_control === undefined ? null : '',
  };
  const display = modelFault(model) === 'reasoning' ? 'summarized' : displayOf(model, body);
  return { conversation, frames: anthropicFrames(model, display) };
}

function isNewest(model: string): boolean {
  return !thinkingRules(model).canSample;
}

function hasEmptyText(content: unknown): boolean {
  if (typeof content === 'string') return content === '';
  return asObjects(content).some((block) => block.type === 'text' && asText(block.text) === '');
}

function readTurn(message: JsonObject): Turn {
  return { role: message.role === 'assistant' ? 'assistant' : 'user', ...readContent(message.content) };
}

function badRequest(detail: string): Reply {
  return anthropicRefusal(refusal('bad-request', { detail }));
}

function headerText(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value.trim() : '';
}
