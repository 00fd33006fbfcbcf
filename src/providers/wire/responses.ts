import { bearer, type Correction, type Transport } from '../http/transport.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { piecesOf } from '../kept-reasoning.ts';
import type {
  AnswerEnd,
  AnswerSink,
  ProviderCall,
  ProviderName,
  SentFile,
  TokenUsage,
  Turn,
} from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { citedPlace } from './cited-place.ts';
import { documentName, fileDataUrl, fileText, hasWords } from './file-parts.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { type FailureIn, type Progress, streamAnswer, type WireReader } from './stream-answer.ts';

/** Streams one answer from an endpoint that speaks OpenAI's Responses protocol. */
export function answerByResponses(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  request: { path: string; model: string; body: JsonObject; corrections?: readonly Correction[] },
): Promise<AnswerEnd> {
  return streamAnswer(transport, call, { headers: bearer(call), ...request }, sink, createResponsesReader);
}

/** The conversation as input items, with the model's own encrypted reasoning; the system prompt goes into `instructions`. */
export function responsesInput(turns: readonly Turn[], provider: ProviderName, model: string): JsonObject[] {
  return turns.flatMap((turn) => {
    const { role, text, files = [] } = turn;
    if (files.length > 0) {
      const parts = files.map((file) => filePart(file, provider));
      const content = hasWords(text) ? [...parts, { type: 'input_text', text }] : parts;
      return { type: 'message', role, content };
    }
    return piecesOf(turn, provider, model).map((piece) =>
      piece.type === 'item' ? piece.item : { type: 'message', role, content: piece.text },
    );
  });
}

function filePart(file: SentFile, provider: ProviderName): JsonObject {
  if (file.form === 'text') return { type: 'input_text', text: fileText(file) };
  if (file.form === 'document')
    return { type: 'input_file', filename: documentName(file), file_data: fileDataUrl(file) };
  const image = { type: 'input_image', image_url: fileDataUrl(file) };
  // Perplexity refuses fields that it does not know.
  return provider === 'PERPLEXITY' ? image : { ...image, detail: 'auto' };
}

/**
 * Sends the request without encrypted reasoning if the server cannot read it, e.g. because the key now belongs to another
 * organisation, or if the model has none.
 */
export const withoutEncryptedReasoning: Correction = {
  pattern: /encrypted.content/i,
  correct: ({ include: _, ...body }) => ({
    ...body,
    input: asObjects(body.input).filter(({ type }) => type !== 'reasoning'),
  }),
};

function createResponsesReader(writer: AnswerWriter, failureIn: FailureIn): WireReader {
  let finish: string | null = null;
  let openItem: unknown = null;
  let openPart: unknown = null;
  let partStart = 0;
  let reasoningSource: 'deltas' | 'items' | null = null;
  /** The text of each part so far, by its number. */
  const texts = new Map<number, string>();
  const keptItems = new Set<unknown>();

  return {
    read: readEvent,
    end: () => (finish === null ? null : answerEnd(finish)),
  };

  function readEvent(event: JsonObject): Progress {
    switch (event.type) {
      case 'response.output_text.delta':
      case 'response.refusal.delta':
      case 'response.audio.transcript.delta':
        readText(event, event.delta);
        return 'open';
      case 'response.output_text.done':
      case 'response.refusal.done':
        readWhole(event, event);
        return 'open';
      case 'response.content_part.done':
        readPart(event, asObject(event.part));
        return 'open';
      case 'response.reasoning_summary_text.delta':
        readReasoning(event.delta, partNumber(event.output_index, event.summary_index));
        return 'open';
      case 'response.reasoning_text.delta':
        readReasoning(event.delta, partNumber(event.output_index, event.content_index));
        return 'open';
      case 'response.reasoning.started':
        readReasoning(event.thought, partNumber(event.sequence_number, 0));
        return 'open';
      case 'response.output_text.annotation.added':
        readAnnotation(asObject(event.annotation));
        return 'open';
      case 'response.reasoning.search_results':
        readSearchResults(event.results);
        return 'open';
      case 'response.output_item.done':
        readItem(asObject(event.item), event.output_index, reasoningSource !== 'deltas');
        return 'open';
      case 'response.completed':
      case 'response.incomplete':
      case 'response.cancelled':
        return readResponse(asObject(event.response), event.type.slice('response.'.length));
      case 'response.failed':
        throw failureIn(event);
      default:
        // New event types appear all the time and are ignored. A whole response has no type, and may still be in progress.
        if (event.object !== 'response' || finishWord(event.status ?? 'completed') === null) return 'open';
        return readResponse(event, 'completed');
    }
  }

  function readText({ output_index: item, content_index: part }: JsonObject, delta: unknown): void {
    const text = asText(delta);
    if (text === null) return;
    if (openItem !== item || openPart !== part) {
      // A second message in one answer, such as a conclusion after a commentary, begins a new paragraph.
      if (openItem !== item && writer.textLength > 0) writer.text('\n\n');
      openItem = item;
      openPart = part;
      partStart = writer.textLength;
    }
    const number = partNumber(item, part);
    texts.set(number, (texts.get(number) ?? '') + text);
    writer.text(text);
  }

  /** Reads a text that a server sent whole in place of deltas. A whole text that repeats deltas may have other indexes. */
  function readWhole(place: JsonObject, part: JsonObject | null): void {
    const text = asText(part?.text) ?? asText(part?.refusal);
    const isKnown = texts.has(partNumber(place.output_index, place.content_index));
    if (text === null || isKnown || texts.values().some((known) => known === text)) return;
    readText(place, text);
    for (const annotation of asObjects(part?.annotations)) readAnnotation(annotation);
  }

  function readPart(place: JsonObject, part: JsonObject | null): void {
    if (part?.type !== 'reasoning_text') readWhole(place, part);
  }

  function readItem(item: JsonObject | null, index: unknown, withReasoning: boolean): void {
    readSearchResults(item?.results);
    if (item?.type === 'message') {
      for (const [part, content] of asObjects(item.content).entries())
        readPart({ output_index: index, content_index: part }, content);
    }
    keepReasoning(item, index);
    if (item?.type === 'reasoning' && withReasoning) {
      reasoningSource = 'items';
      for (const [part, { text }] of [...asObjects(item.summary), ...asObjects(item.content)].entries())
        writer.reasoning(text, partNumber(index, part));
    }
  }

  /** Without its id: the server stores nothing that the id could name. The finished response repeats the items. */
  function keepReasoning(item: JsonObject | null, index: unknown): void {
    if (item?.type !== 'reasoning' || asText(item.encrypted_content) === null || keptItems.has(index)) return;
    keptItems.add(index);
    const { summary, encrypted_content } = item;
    writer.keep({ type: 'reasoning', summary: summary ?? [], encrypted_content });
  }

  function readReasoning(delta: unknown, part: number): void {
    reasoningSource = 'deltas';
    writer.reasoning(delta, part);
  }

  function readAnnotation(annotation: JsonObject | null): void {
    if (annotation?.type !== 'url_citation') return;
    const place = citedPlace(annotation, textOfPart(openItem, openPart));
    writer.citation(
      annotation.url,
      annotation.title,
      place === null ? null : partStart + place.start,
      place === null ? null : partStart + place.end,
    );
  }

  function textOfPart(item: unknown, part: unknown): string {
    return texts.get(partNumber(item, part)) ?? '';
  }

  function readSearchResults(results: unknown): void {
    for (const { url, title } of asObjects(results)) writer.citation(url, title, null, null);
  }

  function readResponse(response: JsonObject | null, ending: string): Progress {
    if (response?.status === 'failed') throw failureIn(response);
    const items = writer.textLength === 0 ? asObjects(response?.output) : [];
    const withReasoning = reasoningSource === null;
    for (const [index, item] of items.entries()) readItem(item, index, withReasoning);
    const usage = asObject(response?.usage);
    if (usage) writer.usage(responsesUsage(usage), true);
    finish = asText(asObject(response?.incomplete_details)?.reason) ?? finishWord(response?.status) ?? ending;
    return 'last';
  }
}

// Items have few parts, so one number can identify both.
function partNumber(item: unknown, part: unknown): number {
  return (asCount(item) ?? 0) * 1_000 + (asCount(part) ?? 0);
}

function responsesUsage(usage: JsonObject): TokenUsage {
  return {
    inputTokens: asCount(usage.input_tokens),
    outputTokens: asCount(usage.output_tokens),
    cachedInputTokens: asCount(asObject(usage.input_tokens_details)?.cached_tokens),
    cacheWriteTokens: asCount(asObject(usage.input_tokens_details)?.cache_write_tokens),
    reasoningTokens: asCount(asObject(usage.output_tokens_details)?.reasoning_tokens),
  };
}
