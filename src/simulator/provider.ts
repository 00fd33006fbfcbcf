import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from './json.ts';

/**
 * A provider as the simulator needs it: its paths, its list of models, its refusals and the format of its answers. The files of
 * the providers import this one, which imports none of them.
 */
export interface SimulatedProvider {
  name: SimulatorProviderName;
  /** First segment of every path, e.g. `/openai`. */
  mount: string;
  /** Path of the base URL that a client is given, e.g. `/openai/v1`. */
  basePath: string;
  /** What the name of a fault model begins with, so that it passes the filter for models that chat. */
  faultModelPrefix: string;
  models: readonly ModelFacts[];
  /** Longest body of a request. */
  maxBodyBytes: number;
  /** Sent with every response: request ids, limits, account ids. */
  headers: Record<string, string>;
  /** The key in the headers; empty when there is none. */
  keyOf(headers: IncomingHttpHeaders): string;
  /** The route of a path below the mount; null for a path this provider does not have. */
  route(call: RoutedCall): Route | null;
  refuse(refusal: Refusal): Reply;
}

export type SimulatorProviderName =
  | 'OPENAI'
  | 'ANTHROPIC'
  | 'GEMINI'
  | 'MISTRAL'
  | 'PERPLEXITY'
  | 'XAI'
  | 'NOVITA'
  | 'CUSTOM';

export interface RoutedCall {
  method: string;
  /** Path below the mount, e.g. `/v1/models`. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
}

/**
 * `key` says how the key is checked: `required` refuses a missing one, `optional` refuses only a wrong one,
 * `ignored` never looks at it.
 */
export type Route =
  | { type: 'list'; key: KeyRule; reply(models: readonly ModelFacts[]): Reply }
  | { type: 'check'; key: KeyRule; reply(secret: string): Reply }
  | { type: 'answer'; key: KeyRule; read(body: JsonObject): Asked | Reply }
  | { type: 'reply'; reply: Reply };

export type KeyRule = 'required' | 'optional' | 'ignored';

/** A whole response. A text body is sent as it is, an object as JSON. */
export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body: object | string;
}

/** A question that was understood, with the provider's way of writing the answer. */
export interface Asked {
  conversation: Conversation;
  frames: AnswerFrames;
}

export interface Conversation {
  model: string;
  system: string | null;
  turns: Turn[];
  maxOutputTokens: number | null;
  isStreaming: boolean;
  /** True when the client asked for a web search. */
  wantsSources: boolean;
  /** Under which the conversation is cached; null if it is not. */
  cacheKey: string | null;
}

export interface Turn {
  role: 'user' | 'assistant';
  text: string;
  /** A line about each file that came with the text: its type, size and first words. */
  attachments: string[];
  /** Tokens of these files; absent if there are none. */
  fileTokens?: number;
}

/** Turns the parts of one answer into the events of one provider. Keeps state: one object per answer. */
export interface AnswerFrames {
  opening(tokens: TokenCounts): string[];
  /** Keep-alive events; empty if the provider has none. */
  keepalive(): string[];
  /** Empty where a provider counts its reasoning but does not show it. */
  reasoning(delta: string, block: number): string[];
  /** Called once before the text; a provider that cites later remembers the sources until then. */
  sources(sources: readonly Source[]): string[];
  text(delta: string): string[];
  ending(end: AnswerEnd, tokens: TokenCounts): string[];
  /** The error inside a stream that began with status 200; `isFirst` when nothing was sent before it. */
  failure(isFirst: boolean): string[];
  /** The answer as one JSON document, for clients that did not ask for a stream. */
  whole(text: string, end: AnswerEnd, tokens: TokenCounts): object;
}

export type AnswerEnd = 'stop' | 'length' | 'content-filter';

export interface TokenCounts {
  input: number;
  /** Tokens of the text, without reasoning. */
  text: number;
  reasoning: number;
  /** Tokens of the input that were read from the prompt cache. */
  cached: number;
  /** Tokens of the input that were written to it. */
  written: number;
}

/** A web page the answer rests on. Offsets are UTF-16 code units in the answer's text. */
export interface Source {
  url: string;
  title: string;
  snippet: string;
  startOffset: number;
  endOffset: number;
}

export interface ModelFacts {
  id: string;
  title: string;
  contextTokens: number;
  outputTokens: number;
  reasons: boolean;
  /** The efforts that can be chosen, in the provider's words. */
  efforts: readonly string[];
  readsImages: boolean;
  chats: boolean;
  aliases: readonly string[];
  /** When it is shut down, as the list writes it; null if it is not. */
  shutdownDate: string | null;
  /** Name of the model that replaces it. */
  replacement: string | null;
  /** US dollars for a million tokens. */
  inputPrice: number;
  outputPrice: number;
  /** Tokens of a prompt from which on all of these prices are double; zero if they never are. */
  doublesAt: number;
}

/** The reason for a refusal, which each provider puts in its own words. */
export interface Refusal {
  reason: RefusalReason;
  secret: string;
  model: string;
  retryAfterSeconds: number;
  /** What exactly was wrong, for `bad-request`; the field's name for `unknown-field`. */
  detail: string;
}

export type RefusalReason =
  | 'no-key'
  | 'wrong-key'
  | 'expired-key'
  | 'echoed-key'
  | 'no-credit'
  | 'rate-limited'
  | 'forbidden'
  | 'down'
  | 'overloaded'
  | 'broken'
  | 'unknown-model'
  | 'retired-model'
  | 'context-too-long'
  | 'body-too-large'
  | 'blocked-prompt'
  | 'bad-request'
  | 'unknown-field'
  | 'unknown-path';

/** A refusal with the fields that the case needs; the rest is empty. */
export function refusal(reason: RefusalReason, facts: Partial<Refusal> = {}): Refusal {
  return { secret: '', model: '', retryAfterSeconds: 1, detail: '', ...facts, reason };
}

/** A model, with defaults for the fields that are not given. */
export function modelFacts(id: string, facts: Partial<Omit<ModelFacts, 'id'>> = {}): ModelFacts {
  return {
    id,
    title: id,
    contextTokens: 128_000,
    outputTokens: 16_384,
    reasons: false,
    efforts: [],
    readsImages: true,
    chats: true,
    aliases: [],
    shutdownDate: null,
    replacement: null,
    inputPrice: 1,
    outputPrice: 4,
    doublesAt: 0,
    ...facts,
  };
}

/** The key in `Authorization: Bearer …`; empty when there is none. */
export function bearerKey(headers: IncomingHttpHeaders): string {
  return /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trim() ?? '';
}

/** Whether the result of reading a body is a refusal. */
export function isReply(value: Asked | Reply): value is Reply {
  return 'status' in value;
}
