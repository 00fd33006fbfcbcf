import { asArray, asObject, asText, type JsonObject } from './json.ts';

/**
 * Whether a listed model can chat: by the list's own fields, and by its name only if they say nothing. A chat model whose name
 * merely contains one of the words stays.
 */
export function doesItChat(entry: JsonObject, name: string, words: NameWords = ANY_VENDOR): boolean {
  return chatsByFields(entry) ?? chatsByName(name, words);
}

/** Words in the names of models that cannot chat. */
export interface NameWords {
  /** Words of models that never chat. */
  never: RegExp;
  /** Words that a chat model may carry too, if it is called one by another word of its name. */
  unlessChat?: RegExp;
}

/** Finds any of these as whole words of a name: `live` is not in `olive`, `search` not in `research`. */
export function anyWord(words: string): RegExp {
  const edge = String.raw`[\p{L}\p{N}]`;
  return new RegExp(`(?<!${edge})(?:${words.trim().split(/\s+/).join('|')})(?!${edge})`, 'iu');
}

/** Whether the model can chat by the list's own fields; null if they say nothing. One "no" outweighs every "yes". */
export function chatsByFields(entry: JsonObject): boolean | null {
  const signs = [
    ...signsOfModalities(entry),
    ...signsOfTypes(entry),
    ...signsOfCapabilities(entry),
    ...signsOfEndpoints(entry),
    entry.active === false ? false : null,
  ];
  if (signs.includes(false)) return false;
  return signs.includes(true) ? true : null;
}

/** Whether the model can chat by the words of its name. */
export function chatsByName(name: string, { never, unlessChat }: NameWords): boolean {
  if (never.test(name)) return false;
  return unlessChat === undefined || !unlessChat.test(name) || CHAT_WORDS.test(name);
}

const CHAT_WORDS = anyWord('chat instruct it assistant coder vl vlm vision thinking');

/** For lists that may hold models of any vendor. */
const ANY_VENDOR: NameWords = {
  never: anyWord(`
    embed embedding embeddings rerank reranker reranking moderation
    whisper transcribe transcription asr stt tts realtime
    dall-e gpt-image imagen stable-diffusion sdxl veo sora lyria nano-banana antigravity
  `),
  unlessChat: anyWord('image images audio video speech voice'),
};

type Sign = boolean | null;

function signsOfModalities(entry: JsonObject): Sign[] {
  const { input, output } = modalitiesOf(entry);
  return [
    output.length === 0 ? null : output.includes('text'),
    input.length === 0 || input.includes('text') ? null : false,
  ];
}

/** Input and output modalities of a model, in lower case; empty where the list does not say. */
export function modalitiesOf(entry: JsonObject): { input: string[]; output: string[] } {
  const architecture = asObject(entry.architecture) ?? {};
  // OpenRouter's older form, e.g. `text+image->text`.
  const [input, output] = asText(architecture.modality)?.toLowerCase().split('->') ?? [];
  const first = (...lists: unknown[]) => lists.map(wordsIn).find((words) => words.length > 0) ?? [];
  return {
    input: first(
      entry.input_modalities,
      entry.supported_input_modalities,
      architecture.input_modalities,
      output === undefined ? [] : input?.split('+'),
    ),
    output: first(
      entry.output_modalities,
      entry.supported_output_modalities,
      architecture.output_modalities,
      output?.split('+'),
    ),
  };
}

/** The words of a list in lower case. */
export function wordsIn(value: unknown): string[] {
  return asArray(value).flatMap((word) => asText(word)?.toLowerCase() ?? []);
}

function signsOfTypes(entry: JsonObject): Sign[] {
  const capabilities = asObject(entry.capabilities);
  const types = [entry.type, entry.model_type, entry.mode, entry.pipeline_tag, capabilities?.type];
  const tasks = [entry.task, asObject(entry.task)?.name];
  return [...types, ...tasks].map((type) => signOfType(asText(type)?.toLowerCase() ?? ''));
}

function signOfType(type: string): Sign {
  // Before the types that chat, because some names contain those, e.g. `speech-to-text`.
  if (/embed|rerank|speech.(to.text|recognition)/.test(type)) return false;
  if (/\b(chat|llm|vlm|language|text.generation)\b|.text.to.text$/.test(type)) return true;
  return NO_CHAT_TYPE.test(type) ? false : null;
}

const NO_CHAT_TYPE =
  /embed|rerank|image|audio|video|moderat|transcri|speech|tts|stt|ocr|classif|feature.extraction|similarity|agent/;

function signsOfCapabilities(entry: JsonObject): Sign[] {
  const capabilities = asObject(entry.capabilities) ?? {};
  const named = wordsIn(entry.capabilities);
  const flags = [capabilities.completion_chat, capabilities.chat_completion, entry.supports_chat];
  return [
    ...flags.map((flag) => (typeof flag === 'boolean' ? flag : null)),
    named.includes('completion') || named.includes('chat') ? true : null,
    named.some((word) => /^embed/.test(word)) && !named.includes('completion') ? false : null,
  ];
}

function signsOfEndpoints(entry: JsonObject): Sign[] {
  const lists = [entry.endpoints, entry.supported_endpoints, entry.supported_endpoint_types].map(wordsIn);
  return lists.map((words) => (words.length === 0 ? null : words.some((word) => CHAT_ENDPOINT.test(word))));
}

// Paths and their short names; some gateways name the vendor of the protocol.
const CHAT_ENDPOINT = /chat|responses|messages|generatecontent|^(openai|openai-response|anthropic|gemini)$/;
