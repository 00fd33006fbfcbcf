import type { KeptReasoning } from './kept-reasoning.ts';
import type { ManualFacts } from './manual-facts.ts';
import type { AnswerOptions, AskedModel, ModelCapability, OptionFacts, OptionRules } from './options.ts';
import type { ModelPrice } from './price.ts';

/**
 * The interface of a provider. Adapters import this file; it imports no adapter.
 */
export interface Provider extends OptionRules {
  name: ProviderName;
  /** Name as its users know it, e.g. `Google Gemini`. */
  title: string;
  /** Page where a person makes a key; null for CUSTOM. */
  keysUrl: string | null;
  /** What a key of this provider looks like, e.g. `sk-proj-…`. */
  keyPlaceholder: string;
  /** Published base URL without a trailing slash; null for CUSTOM, whose keys have their own. */
  baseUrl: string | null;

  /**
   * Asks the provider whether it accepts the secret, for free where that is possible.
   * Resolves when it does: with the models where the check had to list them anyway, else with null.
   * Throws ProviderError: INVALID_KEY, KEY_EXPIRED, KEY_LACKS_PERMISSION are refusals; QUOTA_EXCEEDED and RATE_LIMITED
   * prove that the key is known; every other code means that the check gave no result.
   */
  checkKey(call: ProviderCall): Promise<ListedModel[] | null>;

  /** What this project states about a model by hand, because no list does. */
  manualFacts(model: AskedModel): ManualFacts;

  /** The models that can chat, in the provider's order, without duplicates. Throws ProviderError. */
  listModels(call: ProviderCall): Promise<ListedModel[]>;

  /**
   * Streams one answer into the sink and resolves when the provider has properly ended it. Throws ProviderError, also for an
   * error in the middle of the stream; the sink keeps the text that it has received by then.
   * An exception thrown by the sink ends the call and is passed on unchanged.
   */
  answer(call: ProviderCall, request: AnswerRequest, sink: AnswerSink): Promise<AnswerEnd>;
}

export const PROVIDER_NAMES = [
  'OPENAI',
  'ANTHROPIC',
  'GEMINI',
  'MISTRAL',
  'PERPLEXITY',
  'XAI',
  'NOVITA',
  'CUSTOM',
] as const;

export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** Where a provider is called, and for whom. */
export interface ProviderPlace {
  /** Base URL that the key is bound to, without a trailing slash. */
  baseUrl: string;
  /** Workspace or team that owns the key: connections are never shared between tenants. */
  tenantId: string;
}

/** The opened key. */
export interface Credentials {
  /** Empty only for a CUSTOM server that needs none. Goes into headers, never into a URL. */
  secret: string;
  /** Further headers of a CUSTOM key, by lower-case name: secrets like the other. Absent for none. */
  headers?: Readonly<Record<string, string>>;
}

/** All secrets of a call, to be redacted in what comes back. */
export function secretsOf({ secret, headers = {} }: Credentials): string[] {
  return [secret, ...Object.values(headers)];
}

/** One call of a provider: its base URL, key, tenant and abort signal. */
export interface ProviderCall extends ProviderPlace, Credentials {
  /** Ends the call when aborted; its reason is thrown. */
  signal: AbortSignal;
}

export interface AnswerRequest {
  model: AskedModel;
  /** Only options that `findRefusedOption` lets pass. */
  options: AnswerOptions;
  /**
   * The conversation, oldest first. Roles alternate, the first and the last turn are the user's, and no text is blank unless the
   * turn has files.
   */
  turns: readonly Turn[];
  /** Names the conversation to the provider's prompt cache; the same for every turn. Null switches caching off. */
  cacheKey: string | null;
}

export interface Turn {
  role: 'user' | 'assistant';
  text: string;
  /** The reasoning state of the model that wrote the turn, for that model only. */
  kept?: KeptReasoning;
  /** The files of a person's turn, in their order, each in a form that the model takes. They stand before its text. Absent for none. */
  files?: readonly SentFile[];
}

/** A file as one model is sent it. `text` stands for the file where the model does not take its bytes. */
export type SentFile = FileAsText | FileAsBytes;

export interface FileAsText {
  form: 'text';
  name: string;
  mediaType: string;
  /** What of the file this is, e.g. `text only, pages 1–212 of 1,000`. The same in every turn. Null if it is all. */
  note: string | null;
  text: string;
}

/** A picture, or a document that the provider reads itself. */
export interface FileAsBytes {
  form: 'image' | 'document';
  name: string;
  mediaType: string;
  sizeBytes: number;
  /** Begins to read the bytes, from their beginning at every call. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Receives an answer as it arrives, in order, synchronously. */
export interface AnswerSink {
  /** Part of the answer's text; never empty. */
  text(delta: string): void;
  /** Part of the model's reasoning; never empty. A new `block` number begins a new block. */
  reasoning(delta: string, block: number): void;
  /** A source. The same one may come more than once. */
  citation(citation: Citation): void;
  /** Token counts so far; a later call replaces an earlier one. Not final if the answer had not ended when they were counted. */
  usage(usage: TokenUsage, isFinal: boolean): void;
  /** State of the model's reasoning, to be sent back with this answer. Called once at most, at the end of the answer. */
  keep(kept: KeptReasoning): void;
}

export interface AnswerEnd {
  finishReason: FinishReason;
  /** The provider's own word, unchanged. */
  providerFinishReason: string;
}

export const FINISH_REASONS = ['STOP', 'LENGTH', 'CONTENT_FILTER', 'OTHER'] as const;

export type FinishReason = (typeof FINISH_REASONS)[number];

/** A source named by the provider. Offsets are UTF-16 code units into the answer's text. */
export interface Citation {
  url: string;
  title: string | null;
  startOffset: number | null;
  endOffset: number | null;
}

/** Tokens as the provider counted them; null where it did not say. */
export interface TokenUsage {
  /** All of the input, cached tokens included. */
  inputTokens: number | null;
  /** All of the output, reasoning included. */
  outputTokens: number | null;
  cachedInputTokens: number | null;
  /** Input that was written to the prompt cache, which some providers charge more for. */
  cacheWriteTokens: number | null;
  reasoningTokens: number | null;
}

export interface ListedModel {
  /** The name to ask for, e.g. `gpt-5.6-luna`. */
  name: string;
  /** The provider's display name, else the name. */
  title: string;
  /** The name of the model that the name stands for, which may change; null if the list does not say. */
  standsFor: string | null;
  /** Tokens that fit into one request; null if the provider does not say. */
  contextWindow: number | null;
  /** Most tokens of one answer; null if the provider does not say. */
  maxOutputTokens: number | null;
  /** Those that the list states. */
  capabilities: ModelCapability[];
  /** As the provider's list states it; null if it does not. */
  price: ModelPrice | null;
  /** Null if the list says nothing about options. */
  optionFacts: OptionFacts | null;
  /** When the provider shuts the model down; null if the list does not say. */
  shutdownAt: Date | null;
  /** The model to ask from then on, by its name; null if the list names none. */
  replacementName: string | null;
}
