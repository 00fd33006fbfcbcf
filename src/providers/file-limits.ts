import type { ModelCapability } from './options.ts';
import type { ProviderName } from './provider.ts';

/** A limit of a provider, or an estimate, and how it is known. */
export interface Limit<Value> {
  value: Value;
  /**
   * - `documentation`: pages and SDKs of the provider.
   * - `report`: words of the provider's own refusals in public reports.
   * - `measured`: requests that others sent and counted.
   * - `unverified`: said by others, and confirmed by nothing.
   * - `ours`: chosen here, where a limit is not known or would break a conversation later.
   */
  source: 'documentation' | 'report' | 'measured' | 'unverified' | 'ours';
  /** Day on which the source was seen to say so: YYYY-MM-DD. */
  asOf: string;
}

/** Providers, and OpenAI by the protocol that its model speaks. */
export type FileFamily = Exclude<ProviderName, 'OPENAI'> | 'OPENAI_RESPONSES' | 'OPENAI_CHAT';

/** What one family takes. Bytes are those of the files, before base64, unless it says otherwise. */
export interface FamilyLimits {
  imageTypes: Limit<readonly string[]>;
  imageBytes: Limit<number | null>;
  /** Images of a request. */
  imageCount: Limit<number | null>;
  /** Longest side in pixels. */
  imageSide: Limit<number | null>;
  /** A model with one of these capabilities reads PDF; empty if none does. */
  pdfWith: Limit<readonly ModelCapability[]>;
  /** Other documents that are sent as bytes to models that read PDF. */
  officeTypes: Limit<readonly string[]>;
  documentBytes: Limit<number | null>;
  /** Pages of one document. */
  documentPages: Limit<number | null>;
  /** Images of a request and pages of its documents, together. */
  imagesAndPages: Limit<number | null>;
  /** The same for models with a context window of a million tokens. */
  imagesAndPagesOfLargeContext: Limit<number | null>;
  /** A request, with files in base64, their texts, and what was said. */
  requestBytes: Limit<number | null>;
  tokensPerPage: Limit<number>;
  tokensPerImage: Limit<(width: number, height: number) => number>;
}

/** A model with at least as many tokens of context may be sent more pages by Anthropic. */
export const LARGE_CONTEXT_TOKENS = 1_000_000;

const PNG = 'image/png';
const JPEG = 'image/jpeg';
const WEBP = 'image/webp';
const GIF = 'image/gif';
export const PDF = 'application/pdf';
const OFFICE = 'application/vnd.openxmlformats-officedocument';
const OFFICE_TYPES = [
  `${OFFICE}.wordprocessingml.document`,
  `${OFFICE}.spreadsheetml.sheet`,
  `${OFFICE}.presentationml.presentation`,
];

const MB = 1_000_000;
const MIB = 1_048_576;

/** Of 28 × 28 pixels each, as Claude counts them. */
function patches(width: number, height: number): number {
  return Math.ceil(width / 28) * Math.ceil(height / 28);
}

const asOf = '2026-11-28';
const documented = <Value>(value: Value) => ({ value, source: 'documentation', asOf }) as const;
const reported = <Value>(value: Value) => ({ value, source: 'report', asOf }) as const;
const measured = <Value>(value: Value) => ({ value, source: 'measured', asOf: '2026-10-31' }) as const;
const unverified = <Value>(value: Value) => ({ value, source: 'unverified', asOf }) as const;
const ours = <Value>(value: Value) => ({ value, source: 'ours', asOf }) as const;

/** Models that are only sent images. */
const NO_DOCUMENTS = {
  pdfWith: documented([]),
  officeTypes: documented([]),
  documentBytes: documented(null),
  documentPages: documented(null),
  imagesAndPages: documented(null),
  imagesAndPagesOfLargeContext: documented(null),
} as const satisfies Partial<FamilyLimits>;

const OPENAI_CHAT: FamilyLimits = {
  // Animated GIFs are refused; copies of images are made without animation.
  imageTypes: documented([PNG, JPEG, WEBP, GIF]),
  imageBytes: ours(null), // part of the request
  imageCount: unverified(500),
  imageSide: ours(null), // some routes were seen to refuse 30 megapixels, which no copy has
  pdfWith: documented(['PDF_INPUT']),
  officeTypes: documented([]), // chat takes PDF alone
  documentBytes: documented(37 * MB), // 50 MB in base64
  documentPages: ours(null),
  imagesAndPages: ours(null),
  imagesAndPagesOfLargeContext: ours(null),
  requestBytes: documented(50 * MB),
  tokensPerPage: ours(1_500), // the text of a full page, and a picture of it
  tokensPerImage: measured((width, height) => Math.ceil((width * height * 1.2) / 1_024)),
};

/**
 * Which files every provider takes, and how much of them. Tables, code and other text go to everybody as text: at no provider does
 * it cost less as a file, some cut it to its first rows unseen, and so every model is sent the same, of which the person can be told.
 * Office documents go as they are only to OpenAI's Responses, the one that reads them.
 */
export const FILE_LIMITS: Record<FileFamily, FamilyLimits> = {
  OPENAI_CHAT,
  OPENAI_RESPONSES: { ...OPENAI_CHAT, officeTypes: documented(OFFICE_TYPES) },
  ANTHROPIC: {
    imageTypes: documented([PNG, JPEG, GIF, WEBP]),
    imageBytes: reported(3_932_160), // 5 MiB in base64: "5272940 bytes > 5242880"
    imageCount: documented(100), // 600 with a large context, which no conversation comes near
    // 8,000 up to 20 images. An image that passed would be refused once a thread has more, so the limit beyond 20 holds for all.
    imageSide: documented(2_000),
    pdfWith: documented(['PDF_INPUT']),
    officeTypes: documented([]),
    documentBytes: ours(22 * MB), // what fits into the request
    documentPages: documented(null),
    imagesAndPages: reported(100), // "Too much media: 0 document pages + 104 images > 100"
    imagesAndPagesOfLargeContext: documented(600),
    requestBytes: ours(31 * MB), // 32 MB, less what is around the texts
    tokensPerPage: measured(2_350),
    tokensPerImage: documented(patches),
  },
  GEMINI: {
    imageTypes: documented([PNG, JPEG, WEBP, 'image/heic', 'image/heif']),
    imageBytes: ours(null), // part of the request
    imageCount: unverified(3_600),
    imageSide: ours(null),
    pdfWith: documented(['PDF_INPUT']),
    officeTypes: documented([]),
    documentBytes: documented(37 * MB), // 50 MB inline, taken as base64
    documentPages: documented(1_000),
    imagesAndPages: ours(null),
    imagesAndPagesOfLargeContext: ours(null),
    requestBytes: ours(50 * MB), // 100 MB are stated, and were 20 MB before
    tokensPerPage: documented(560),
    tokensPerImage: documented(() => 1_120),
  },
  MISTRAL: {
    imageTypes: documented([PNG, JPEG, WEBP, GIF]),
    imageBytes: documented(10 * MB),
    imageCount: documented(8),
    imageSide: ours(null),
    // Read by its OCR, which is billed for itself. The list has no word for it, and documents it for every model that sees.
    pdfWith: documented(['IMAGE_INPUT']),
    officeTypes: documented([]),
    documentBytes: documented(37 * MB), // 50 MB, taken as base64
    documentPages: documented(1_000),
    imagesAndPages: ours(null),
    imagesAndPagesOfLargeContext: ours(null),
    requestBytes: ours(50 * MB),
    tokensPerPage: ours(700), // the text of a full page
    tokensPerImage: ours(patches),
  },
  PERPLEXITY: {
    ...NO_DOCUMENTS,
    imageTypes: unverified([PNG, JPEG, WEBP, GIF]),
    imageBytes: ours(null), // part of the request
    imageCount: ours(null),
    imageSide: ours(null),
    requestBytes: ours(31 * MB), // 32 MiB, less what is around the texts
    tokensPerPage: ours(0),
    tokensPerImage: ours(patches),
  },
  XAI: {
    // Files of other kinds switch on a search there that is billed for itself.
    ...NO_DOCUMENTS,
    imageTypes: documented([JPEG, PNG]),
    imageBytes: documented(20 * MIB),
    imageCount: ours(null),
    imageSide: ours(null),
    requestBytes: ours(50 * MB),
    tokensPerPage: ours(0),
    tokensPerImage: ours(patches),
  },
  NOVITA: {
    ...NO_DOCUMENTS,
    imageTypes: ours([PNG, JPEG]), // what all servers of open models read
    imageBytes: ours(4 * MB),
    imageCount: ours(null),
    imageSide: ours(null),
    requestBytes: ours(10 * MB),
    tokensPerPage: ours(0),
    tokensPerImage: ours(patches),
  },
  CUSTOM: {
    // OpenRouter reads PDF for models that do not, but bills most of its ways; others refuse the part.
    ...NO_DOCUMENTS,
    imageTypes: ours([PNG, JPEG]), // llama.cpp and Ollama read no others for sure
    imageBytes: ours(4 * MB),
    imageCount: ours(null),
    imageSide: ours(null),
    requestBytes: ours(10 * MB), // servers and the proxies before them are often set to 10 to 20 MB
    tokensPerPage: ours(0),
    tokensPerImage: ours(patches),
  },
};

/** UTF-16 code units per token of English text, by the model's name, whoever serves it; newer Claude models cut it into more tokens. */
export const CHARACTERS_PER_TOKEN: readonly (Limit<number> & { models: RegExp })[] = [
  { models: /claude-(\d|[a-z]+-[1-4](-|$))/, ...measured(3.5) },
  { models: /claude/, ...measured(2.5) },
  { models: /./, ...measured(4) },
];
