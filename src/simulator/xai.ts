import { findPartFault, type ImageUrlRules, type PartFault } from './image-url-rules.ts';
import { asObject, asObjects, asText, type JsonObject } from './json.ts';
import { chatFrames } from './openai-chat.ts';
import { readChat, readResponses } from './openai-read.ts';
import { responsesFrames } from './openai-responses.ts';
import { asksForEncrypted, responsesUsage } from './openai-rules.ts';
import { findOutOfRange, textAt, unknownField } from './option-rules.ts';
import {
  type Asked,
  bearerKey,
  type ModelFacts,
  modelFacts,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';
import { isSignedBy } from './signature.ts';
import { xaiFlavour } from './xai-flavour.ts';
import { xaiRefusal } from './xai-refusal.ts';

const PRICE_UNITS_PER_DOLLAR = 10_000;

/** xAI: Responses, and chat completions that show their reasoning and count it apart from the text. */
export const xai: SimulatedProvider = {
  name: 'XAI',
  mount: '/xai',
  basePath: '/xai/v1',
  faultModelPrefix: 'grok-sim-',
  models: [
    modelFacts('grok-4.3', {
      contextTokens: 256_000,
      reasons: true,
      efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
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
      efforts: ['low', 'high'],
      readsImages: false,
      inputPrice: 0.3,
      outputPrice: 0.5,
    }),
    modelFacts('grok-4.7', {
      contextTokens: 500_000,
      reasons: true,
      efforts: ['low', 'medium', 'high', 'xhigh'],
      inputPrice: 2,
      outputPrice: 6,
      doublesAt: 200_000,
    }),
    modelFacts('grok-imagine-image', { chats: false }),
  ],
  maxBodyBytes: 68_000_000, // it states none
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
    if (method === 'POST' && path === '/v1/responses') {
      return { type: 'answer', key: 'required', read: readResponsesQuestion };
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
      ...capabilitiesOf(model),
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
    ...capabilitiesOf(model),
  }));
  return { status: 200, body: { object: 'list', data } };
}

function capabilitiesOf({ efforts }: ModelFacts): object {
  if (efforts.length === 0) return {};
  const byDefault = efforts.includes('none') ? 'low' : 'high';
  return { capabilities: { reasoning_effort: efforts }, default_reasoning_effort: byDefault };
}

/** Zeros say that a long prompt has no prices of its own. */
function pricesOf({ inputPrice, outputPrice, doublesAt }: ModelFacts): object {
  const [input, output] = [inputPrice * PRICE_UNITS_PER_DOLLAR, outputPrice * PRICE_UNITS_PER_DOLLAR];
  const factor = doublesAt === 0 ? 0 : 2;
  return {
    prompt_text_token_price: input,
    cached_prompt_text_token_price: input / 4,
    prompt_image_token_price: 0,
    completion_text_token_price: output,
    search_price: 0,
    long_context_threshold: doublesAt,
    prompt_text_token_price_long_context: factor * input,
    cached_prompt_text_token_price_long_context: (factor * input) / 4,
    completion_text_token_price_long_context: factor * output,
  };
}

function readQuestion(body: JsonObject): Asked | Reply {
  const conversation = readChat(body);
  if (!conversation) return badRequest('missing field `messages`');
  const facts = factsOf(conversation.model);
  const refused = ['presence_penalty', 'frequency_penalty', 'stop'].find((name) => body[name] !== undefined);
  if (facts?.reasons && refused) return badRequest(`Argument not supported on this model: ${refused}`);
  const unfit = refuseEffort(facts, asText(body.reasoning_effort));
  if (unfit) return unfit;
  const unreadable = refuseParts(facts, asObjects(body.messages));
  if (unreadable) return unreadable;
  const wantsSources = asObject(body.search_parameters) !== null;
  return {
    conversation: { ...conversation, wantsSources },
    frames: chatFrames(xaiFlavour(conversation.model)),
  };
}

function readResponsesQuestion(body: JsonObject): Asked | Reply {
  const conversation = readResponses(body);
  if (!conversation) return badRequest('missing field `input`');
  const { model } = conversation;
  const field = unknownField(body, RESPONSES_FIELDS);
  if (field) return badRequest(`Argument not supported: ${field}`);
  const outside = findOutOfRange(body, { temperature: [0, 2], top_p: [0, 1] });
  if (outside) return badRequest(`${outside.name} must be between ${outside.min} and ${outside.max}`);
  const unfit = refuseEffort(factsOf(model), textAt(body, 'reasoning', 'effort'));
  if (unfit) return unfit;
  const isForeign = (item: JsonObject) =>
    item.type === 'reasoning' && !isSignedBy(model, asText(item.encrypted_content));
  if (asObjects(body.input).some(isForeign)) return badRequest(UNREADABLE);
  if (asObjects(body.input).some(({ type, role }) => type !== 'reasoning' && !ROLES.includes(asText(role)))) {
    return badRequest('Invalid role in `input`.');
  }
  const unreadable = refuseParts(factsOf(model), asObjects(body.input));
  if (unreadable) return unreadable;
  const frames = responsesFrames(model, {
    showsReasoning: true,
    encryptsReasoning: asksForEncrypted(body),
    pads: false,
    usage: (tokens) => ({
      ...responsesUsage(tokens),
      num_sources_used: 0,
      cost_in_usd_ticks: (tokens.input + 2 * (tokens.text + tokens.reasoning)) * 5_000,
    }),
    failure: { code: 'server_error', message: 'The service is temporarily overloaded.' },
  });
  return { conversation, frames };
}

const RESPONSES_FIELDS =
  `model input instructions stream store max_output_tokens temperature top_p reasoning include
  prompt_cache_key tools tool_choice parallel_tool_calls previous_response_id metadata user text`.split(
    /\s+/,
  );
const ROLES = ['user', 'assistant', 'system', 'developer'];
const UNREADABLE =
  'Could not decrypt the provided encrypted_content. Please ensure the value is the unmodified encrypted_content from a previous response.';

const PARTS: ImageUrlRules = {
  // Files are taken by their id alone, and switch on a search.
  partTypes: ['text', 'image_url', 'input_text', 'input_image', 'output_text', 'refusal'],
  imageTypes: ['image/jpeg', 'image/png'],
  imageBytes: 20 * 1024 * 1024,
  imageCount: Number.POSITIVE_INFINITY,
};

function refuseParts(model: ModelFacts | undefined, messages: readonly JsonObject[]): Reply | null {
  const found = findPartFault(messages, model?.readsImages !== false, PARTS);
  return found && badRequest(WRONG_PARTS[found.fault]);
}

const WRONG_PARTS: Record<PartFault['fault'], string> = {
  'unknown-part': 'Invalid request content: unknown content part type.',
  'empty-text': 'Each message must have at least one content element that is not empty.',
  'no-vision': 'Image inputs are not supported by this model.',
  'bad-base64': 'Invalid base64-encoded image.',
  'not-an-image': 'Downloaded response does not contain a valid JPG or PNG image.',
  'wrong-type': 'Unsupported content-type encountered when downloading image. Use image/jpeg or image/png.',
  'too-large': 'The image is larger than the maximum of 20 MiB.',
  'too-many': 'Too many images.',
};

function refuseEffort(model: ModelFacts | undefined, effort: string): Reply | null {
  if (!model || effort === '' || model.efforts.includes(effort)) return null;
  if (model.efforts.length === 0)
    return badRequest(`Model ${model.id} does not support parameter reasoningEffort.`);
  return badRequest(`Invalid reasoning effort: ${effort}`);
}

function factsOf(model: string): ModelFacts | undefined {
  return xai.models.find(({ id }) => id === model);
}

function badRequest(detail: string): Reply {
  return xaiRefusal(refusal('bad-request', { detail }));
}
