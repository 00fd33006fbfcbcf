import { speaksOnlyChat } from './adapters/openai-models.ts';
import {
  CHARACTERS_PER_TOKEN,
  type FamilyLimits,
  FILE_LIMITS,
  type FileFamily,
  LARGE_CONTEXT_TOKENS,
  PDF,
} from './file-limits.ts';
import type { AskedModel } from './options.ts';
import type { ProviderName } from './provider.ts';

/** Which files a model takes as they are, and how much of them. Everything else is sent as text. */
export interface FileRules {
  /** Null for a model that reads no images. */
  images: ImageRules | null;
  /** Documents whose bytes the provider reads itself; empty for none. */
  documents: readonly DocumentRules[];
  /** Bytes of a request: files in base64, their texts, and what was said; null for no known limit. */
  maxRequestBytes: number | null;
  /** Images of a request and pages of its documents that are sent as bytes, together; null for no known limit. */
  maxImagesAndPages: number | null;
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
  /** Estimated tokens of a page, whatever is on it; 0 for documents without pages, of which the provider takes the text alone. */
  tokensPerPage: number;
}

/** What rules depend on. A context window that is absent or null is taken for one of less than a million tokens. */
export type FileReader = Pick<AskedModel, 'name' | 'capabilities'> & { contextWindow?: number | null };

/** The rules of a model, by its provider and what is known about it. */
export function fileRulesOf(provider: ProviderName, model: FileReader): FileRules {
  const { name, capabilities, contextWindow } = model;
  const limits = FILE_LIMITS[fileFamily(provider, name)];
  const isLarge = (contextWindow ?? 0) >= LARGE_CONTEXT_TOKENS;
  const together = (isLarge ? limits.imagesAndPagesOfLargeContext : limits.imagesAndPages).value;
  return {
    images: capabilities.includes('IMAGE_INPUT') ? imageRules(limits) : null,
    documents: limits.pdfWith.value.some((each) => capabilities.includes(each))
      ? documentRules(limits, together)
      : [],
    maxRequestBytes: limits.requestBytes.value,
    maxImagesAndPages: together,
    charactersPerToken: CHARACTERS_PER_TOKEN.find(({ models }) => models.test(name))?.value ?? 4,
  };
}

/** The row of the table of limits that counts for a model. */
export function fileFamily(provider: ProviderName, model: string): FileFamily {
  if (provider !== 'OPENAI') return provider;
  return speaksOnlyChat(model) ? 'OPENAI_CHAT' : 'OPENAI_RESPONSES';
}

function imageRules(limits: FamilyLimits): ImageRules {
  return {
    mediaTypes: limits.imageTypes.value,
    maxBytes: limits.imageBytes.value,
    maxCount: limits.imageCount.value,
    maxSide: limits.imageSide.value,
    estimateTokens: limits.tokensPerImage.value,
  };
}

function documentRules(limits: FamilyLimits, together: number | null): DocumentRules[] {
  const maxBytes = limits.documentBytes.value;
  const maxPages = limits.documentPages.value ?? together;
  const pdf = { mediaTypes: [PDF], maxBytes, maxPages, tokensPerPage: limits.tokensPerPage.value };
  const mediaTypes = limits.officeTypes.value;
  return mediaTypes.length === 0 ? [pdf] : [pdf, { mediaTypes, maxBytes, maxPages: null, tokensPerPage: 0 }];
}
