import type { AskedModel } from './options.ts';
import type { ProviderName } from './provider.ts';

/** Which files a model takes as they are, and how much of them. Everything else is sent as text. */
export interface FileRules {
  /** Null for a model that reads no images. */
  images: ImageRules | null;
  /** Documents whose bytes the provider reads itself; empty for none. */
  documents: readonly DocumentRules[];
  /** Bytes of all files of a request, in base64; null for no known limit. */
  maxRequestBytes: number | null;
  /** Pages of all documents of a request that are sent as bytes; null for no known limit. */
  maxRequestPages: number | null;
  /** For an estimate of the tokens of a text that is sent: UTF-16 code units per token. */
  charactersPerToken: number;
}

export interface ImageRules {
  mediaTypes: readonly string[];
  /** Bytes of one image, before base64; null for no known limit. */
  maxBytes: number | null;
  /** Images of a request; null for no known limit. */
  maxCount: number | null;
  /** Longest side in pixels; null for no known limit. */
  maxSide: number | null;
  /** Estimated tokens of an image with these sides, in pixels. */
  estimateTokens(width: number, height: number): number;
}

export interface DocumentRules {
  mediaTypes: readonly string[];
  /** Bytes of one document, before base64; null for no known limit. */
  maxBytes: number | null;
  /** Null for no known limit, or for documents without pages. */
  maxPages: number | null;
  /** Estimated tokens of a page, whatever is on it. Null for documents without pages, of which the provider takes the text. */
  tokensPerPage: number | null;
}

/** The rules of a model, by its provider and what is known about it. */
export function fileRulesOf(_provider: ProviderName, _model: AskedModel): FileRules {
  return { images: null, documents: [], maxRequestBytes: null, maxRequestPages: null, charactersPerToken: 4 };
}
