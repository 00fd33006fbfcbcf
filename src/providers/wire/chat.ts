import { bearer, type Correction, type Transport } from '../http/transport.ts';
import { asArray, asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import type {
  AnswerEnd,
  AnswerRequest,
  AnswerSink,
  FileAsBytes,
  ProviderCall,
  TokenUsage,
  Turn,
} from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { documentName, fileDataUrl, fileText, hasWords, leftOutText } from './file-parts.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { streamAnswer, type WireReader } from './stream-answer.ts';
import { createThinkTagReader, mayThinkInTags, type ThinkTagReader } from './think-tags.ts';

/** Streams one answer from `POST /chat/completions`. */
export function answerByChat(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  { body, corrections }: { body: JsonObject & { model: string }; corrections?: readonly Correction[] },
): Promise<AnswerEnd> {
  const post = { path: '/chat/completions', headers: bearer(call), model: body.model, body, corrections };
  return streamAnswer(transport, call, post, sink, (writer) =>
    createChatReader(writer, mayThinkInTags(transport.name)),
  );
}

/** How a server is sent the files of a turn. */
export interface ChatForms {
  system: 'system' | 'developer';
  /** The part for an image or a document. */
  filePart(file: FileAsBytes): JsonObject;
  /** Whether a turn of texts alone is written as one text, since not every server takes a list of parts. */
  joinsTexts: boolean;
}

/** The conversation as chat messages; the system prompt goes first. */
export function chatMessages({ turns, options }: AnswerRequest, forms: ChatForms): JsonObject[] {
  const messages = turns.map((turn) => ({ role: turn.role, content: contentOf(turn, forms) }));
  const { systemPrompt } = options;
  return systemPrompt === null ? messages : [{ role: forms.system, content: systemPrompt }, ...messages];
}

/** The text of a turn, after its files if it has any. */
function contentOf({ text, files = [] }: Turn, { filePart, joinsTexts }: ChatForms): unknown {
  if (files.length === 0) return text;
  const parts = files.map((file) => (file.form === 'text' ? textPart(fileText(file)) : filePart(file)));
  const all = hasWords(text) ? [...parts, textPart(text)] : parts;
  const isText = joinsTexts && files.every(({ form }) => form === 'text');
  return isText ? all.map((part) => part.text).join('\n\n') : all;
}

/** OpenAI's own parts. Of documents its chat completions take PDF alone. */
export const OPENAI_FORMS: Omit<ChatForms, 'system'> = {
  filePart(file) {
    if (file.form === 'image')
      return { type: 'image_url', image_url: { url: fileDataUrl(file), detail: 'auto' } };
    if (file.mediaType !== 'application/pdf') return textPart(leftOutText(file));
    return { type: 'file', file: { filename: documentName(file), file_data: fileDataUrl(file) } };
  },
  joinsTexts: false,
};

/** Of documents Mistral takes PDF, which its OCR reads. */
export const MISTRAL_FORMS: ChatForms = {
  system: 'system',
  filePart: (file) =>
    file.form === 'image'
      ? imagePart(file)
      : { type: 'document_url', document_url: fileDataUrl(file), document_name: file.name },
  joinsTexts: false,
};

/** What servers of open models have in common: images. */
export const OPEN_FORMS: ChatForms = {
  system: 'system',
  filePart: (file) => (file.form === 'image' ? imagePart(file) : textPart(leftOutText(file))),
  joinsTexts: true,
};

function imagePart(file: FileAsBytes): JsonObject {
  return { type: 'image_url', image_url: { url: fileDataUrl(file) } };
}

function textPart(text: string): JsonObject {
  return { type: 'text', text };
}

function createChatReader(writer: AnswerWriter, withTags: boolean): WireReader {
  const tags = withTags ? createThinkTagReader(writer) : null;
  let finish: string | null = null;
  let knowsFinishWords = false;
  let isBegun = false;
  /** The end mark of an answer without a finish word. */
  let endMark: string | null = null;

  return {
    done() {
      // If events have a field for the finish word, a `[DONE]` without one was added by a gateway to a stream that broke off.
      if (!knowsFinishWords) endMark ??= '[DONE]';
    },
    read(chunk) {
      const choice = asObject(asArray(chunk.choices)[0]);
      if (choice) readChoice(choice, chunk.object);
      const word = finishWord(choice?.finish_reason);
      finish = word ?? finish;
      // xAI names its sources once, beside the choices of the last chunk.
      if (chunk.citations !== undefined)
        for (const url of asArray(chunk.citations)) writer.citation(url, null, null, null);
      const usage = asObject(chunk.usage);
      if (usage) writer.usage(chatUsage(usage), finish !== null);
      return word === null ? 'open' : 'finished';
    },
    end() {
      tags?.end();
      if (finish !== null) return answerEnd(finish);
      return endMark === null ? null : { finishReason: 'OTHER', providerFinishReason: endMark };
    },
  };

  function readChoice(choice: JsonObject, kind: unknown): void {
    knowsFinishWords ||= choice.finish_reason !== undefined;
    const delta = asObject(choice.delta);
    const message = asObject(choice.message);
    if (delta !== null) readDelta(delta, writer, tags);
    // A message is the whole answer, also where it repeats the deltas before it.
    else if (message !== null && (!isBegun || kind === CHUNK)) readDelta(message, writer, tags);
    if (message !== null && kind !== CHUNK) endMark = 'message';
    if (!isBegun) isBegun = SAID.some((field) => Boolean(delta?.[field] ?? message?.[field]));
  }
}

const SAID = ['content', 'refusal', 'reasoning', 'reasoning_content', 'audio'];
const CHUNK = 'chat.completion.chunk';

function readDelta(delta: JsonObject, writer: AnswerWriter, tags: ThinkTagReader | null): void {
  writer.reasoning(asText(delta.reasoning_content) ?? delta.reasoning, 0);
  if (Array.isArray(delta.content)) readParts(delta.content, writer);
  else if (tags) tags.text(delta.content);
  else writer.text(delta.content);
  writer.text(delta.refusal);
  // What is said aloud stands nowhere else.
  writer.text(asObject(delta.audio)?.transcript);
  if (delta.annotations !== undefined) readAnnotations(delta.annotations, writer);
}

/** Mistral writes reasoning, and the text after it, as typed parts instead of a string. */
function readParts(parts: unknown[], writer: AnswerWriter): void {
  for (const part of asObjects(parts)) {
    if (part.type === 'text') writer.text(part.text);
    if (part.type === 'thinking') for (const { text } of asObjects(part.thinking)) writer.reasoning(text, 0);
  }
}

function readAnnotations(annotations: unknown, writer: AnswerWriter): void {
  for (const annotation of asObjects(annotations)) {
    const source = asObject(annotation.url_citation);
    if (source === null) continue;
    writer.citation(source.url, source.title, asCount(source.start_index), asCount(source.end_index));
  }
}

function chatUsage(usage: JsonObject): TokenUsage {
  const input = asCount(usage.prompt_tokens);
  const completion = asCount(usage.completion_tokens);
  const reasoning = asCount(asObject(usage.completion_tokens_details)?.reasoning_tokens);
  // Every vendor counts reasoning as part of the completion except xAI, whose total shows that it is counted separately.
  const isSeparate =
    completion !== null && reasoning !== null && usage.total_tokens === (input ?? 0) + completion + reasoning;
  return {
    inputTokens: input,
    outputTokens: isSeparate ? completion + reasoning : completion,
    cachedInputTokens: cachedIn(usage),
    cacheWriteTokens: asCount(asObject(usage.prompt_tokens_details)?.cache_write_tokens),
    reasoningTokens: reasoning,
  };
}

/** OpenAI's field, Mistral's older one, and DeepSeek's. */
function cachedIn(usage: JsonObject): number | null {
  return (
    asCount(asObject(usage.prompt_tokens_details)?.cached_tokens) ??
    asCount(usage.num_cached_tokens) ??
    asCount(usage.prompt_cache_hit_tokens)
  );
}
