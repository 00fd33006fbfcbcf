import { modelFault } from './faults.ts';
import { refuseParts } from './gemini-files.ts';
import { geminiFrames } from './gemini-frames.ts';
import { geminiRefusal } from './gemini-refusal.ts';
import { doesThink, refuseConfig, refuseContents } from './gemini-rules.ts';
import { asNumber, asObject, asObjects, type JsonObject } from './json.ts';
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

const DEFAULT_PAGE_SIZE = 50;
const FIELDS = [
  'contents',
  'systemInstruction',
  'generationConfig',
  'safetySettings',
  'tools',
  'toolConfig',
  'cachedContent',
];

/** Google Gemini's generateContent. */
export const gemini: SimulatedProvider = {
  name: 'GEMINI',
  mount: '/gemini',
  basePath: '/gemini/v1beta',
  faultModelPrefix: 'gemini-sim-',
  models: [
    modelFacts('gemini-3-pro-preview', {
      title: 'Gemini 3 Pro Preview',
      contextTokens: 1_048_576,
      reasons: true,
    }),
    modelFacts('gemini-2.5-flash', { title: 'Gemini 2.5 Flash', contextTokens: 1_048_576, reasons: true }),
    modelFacts('gemini-2.5-flash-lite', { title: 'Gemini 2.5 Flash-Lite', contextTokens: 1_048_576 }),
    modelFacts('gemini-3.8-flash', { title: 'Gemini 3.8 Flash', contextTokens: 1_048_576, reasons: true }),
    modelFacts('gemma-3-27b-it', { title: 'Gemma 3 27B', contextTokens: 131_072, readsImages: false }),
    modelFacts('gemini-3-pro-image-preview', { title: 'Gemini 3 Pro Image' }),
    modelFacts('gemini-embedding-001', { title: 'Gemini Embedding', chats: false }),
  ],
  maxBodyBytes: 100_000_000,
  headers: {},
  keyOf: (headers) => String(headers['x-goog-api-key'] ?? '').trim(),
  route: ({ method, path, query }) => {
    // A key in a URL ends up in logs; it is refused as the keys of today are.
    if (query.has('key')) return { type: 'reply', reply: geminiRefusal(refusal('wrong-key')) };
    if (method === 'GET' && path === '/v1beta/models') {
      return { type: 'list', key: 'required', reply: (models) => listModels(query, models) };
    }
    const asked = /^\/v1beta\/models\/([^/:]+):(streamGenerateContent|generateContent)$/.exec(path);
    if (method !== 'POST' || !asked) return null;
    const model = asked[1] ?? '';
    const isStreaming = asked[2] === 'streamGenerateContent' && query.get('alt') === 'sse';
    return { type: 'answer', key: 'required', read: (body) => readQuestion(model, isStreaming, body) };
  },
  refuse: geminiRefusal,
};

function listModels(query: URLSearchParams, models: readonly ModelFacts[]): Reply {
  const size = Number(query.get('pageSize') ?? DEFAULT_PAGE_SIZE);
  const start = Number(query.get('pageToken')?.replace('page-', '') ?? 0);
  const page = models.slice(start, start + size).map((model) => ({
    name: `models/${model.id}`,
    version: '001',
    displayName: model.title,
    description: 'A simulated model.',
    inputTokenLimit: model.contextTokens,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: model.chats ? ['generateContent', 'countTokens'] : ['embedContent'],
    temperature: 1,
    topP: 0.95,
    topK: 64,
    maxTemperature: 2,
    ...(model.reasons ? { thinking: true } : {}),
  }));
  const hasMore = start + size < models.length;
  return {
    status: 200,
    body: { models: page, ...(hasMore ? { nextPageToken: `page-${start + size}` } : {}) },
  };
}

function readQuestion(model: string, isStreaming: boolean, body: JsonObject): Asked | Reply {
  const unknownField = Object.keys(body).find((name) => !FIELDS.includes(name));
  if (unknownField) return geminiRefusal(refusal('unknown-field', { detail: unknownField }));
  const contents = asObjects(body.contents);
  const config = asObject(body.generationConfig);
  const stops = config?.stopSequences;
  const facts = gemini.models.find(({ id }) => id === model);
  const refused =
    refuseConfig(model, config ?? {}) ?? refuseContents(model, body) ?? refuseParts(facts, contents);
  if (refused !== null) return badRequest(refused);
  if (contents.length === 0)
    return badRequest('* GenerateContentRequest.contents: contents is not specified');
  if (contents.some(({ role }) => role !== 'user' && role !== 'model')) {
    return badRequest('Please use a valid role: user, model.');
  }
  if (contents.some(({ parts }) => asObjects(parts).length === 0)) {
    return badRequest('* GenerateContentRequest.contents.parts: contents.parts must not be empty.');
  }
  if (Array.isArray(stops) && stops.length > 5) return badRequest('At most 5 stop sequences are allowed.');
  const conversation: Conversation = {
    model,
    system: readContent(asObject(body.systemInstruction)?.parts).text || null,
    turns: contents.map(readTurn),
    maxOutputTokens: asNumber(config?.maxOutputTokens),
    isStreaming,
    wantsSources: asObjects(body.tools).some((tool) => 'googleSearch' in tool || 'google_search' in tool),
    cacheKey: '',
  };
  const showsThoughts =
    asObject(config?.thinkingConfig)?.includeThoughts === true || modelFault(model) === 'reasoning';
  return { conversation, frames: geminiFrames(model, showsThoughts, doesThink(model)) };
}

function readTurn({ role, parts }: JsonObject): Turn {
  return { role: role === 'model' ? 'assistant' : 'user', ...readContent(parts) };
}

function badRequest(detail: string): Reply {
  return geminiRefusal(refusal('bad-request', { detail }));
}
