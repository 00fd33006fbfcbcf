import type { AnswerWriter } from './answer-writer.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from './json.ts';
import type {
  AnswerEnd,
  AnswerRequest,
  AnswerSink,
  FinishReason,
  ProviderCall,
  TokenUsage,
} from './provider.ts';
import { type AnswerReader, type FailureIn, streamAnswer } from './stream-answer.ts';
import { bearer, type SecondTry, type Transport } from './transport.ts';

/** Streams one answer from an endpoint that speaks OpenAI's Responses protocol. */
export function answerByResponses(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  { path, body, secondTry }: { path: string; body: JsonObject; secondTry?: SecondTry },
): Promise<AnswerEnd> {
  return streamAnswer(
    transport,
    call,
    { path, headers: bearer(call), body, secondTry },
    sink,
    createResponsesReader,
  );
}

/** The conversation as input items; the system prompt goes into `instructions`. */
export function responsesInput(request: AnswerRequest): JsonObject[] {
  return request.turns.map(({ role, text }) => ({ type: 'message', role, content: text }));
}

function createResponsesReader(writer: AnswerWriter, failureIn: FailureIn): AnswerReader {
  let end: AnswerEnd | null = null;
  let openItem: unknown = null;
  let openPart: unknown = null;
  let partStart = 0;

  return {
    get isFinished() {
      return end !== null;
    },
    read: readEvent,
    end: () => end,
  };

  function readEvent(event: JsonObject): boolean {
    switch (event.type) {
      case 'response.output_text.delta':
      case 'response.refusal.delta':
        readText(event);
        return false;
      case 'response.reasoning_summary_text.delta':
        writer.reasoning(event.delta, partNumber(event.output_index, event.summary_index));
        return false;
      case 'response.reasoning_text.delta':
        writer.reasoning(event.delta, partNumber(event.output_index, event.content_index));
        return false;
      case 'response.reasoning.started':
        writer.reasoning(event.thought, partNumber(event.sequence_number, 0));
        return false;
      case 'response.output_text.annotation.added':
        readAnnotation(asObject(event.annotation));
        return false;
      case 'response.reasoning.search_results':
        readSearchResults(event.results);
        return false;
      case 'response.output_item.done':
        readSearchResults(asObject(event.item)?.results);
        return false;
      case 'response.completed':
      case 'response.incomplete':
      case 'response.cancelled':
        return readEnd(event);
      case 'response.failed':
        throw failureIn(asObject(event.response) ?? event);
      case 'error':
        throw failureIn(event);
      default:
        // Some proxies send the bare `{"error":…}` of other endpoints; new event types appear all the time.
        if (event.error) throw failureIn(event);
        return false;
    }
  }

  function readText(event: JsonObject): void {
    if (openItem !== event.output_index || openPart !== event.content_index) {
      // A second message in one answer, such as a conclusion after a commentary, begins a new paragraph.
      if (openItem !== event.output_index && writer.textLength > 0) writer.text('\n\n');
      openItem = event.output_index;
      openPart = event.content_index;
      partStart = writer.textLength;
    }
    writer.text(event.delta);
  }

  function readAnnotation(annotation: JsonObject | null): void {
    if (annotation?.type !== 'url_citation') return;
    const start = asCount(annotation.start_index);
    const end = asCount(annotation.end_index);
    writer.citation(
      annotation.url,
      annotation.title,
      start === null ? null : partStart + start,
      end === null ? null : partStart + end,
    );
  }

  function readSearchResults(results: unknown): void {
    for (const { url, title } of asObjects(results)) writer.citation(url, title, null, null);
  }

  function readEnd(event: JsonObject): true {
    const response = asObject(event.response);
    const usage = asObject(response?.usage);
    if (usage) writer.usage(responsesUsage(usage));
    const word =
      asText(asObject(response?.incomplete_details)?.reason) ?? String(event.type).slice('response.'.length);
    end = { finishReason: finishReasonOf(word), providerFinishReason: word };
    return true;
  }
}

// Items have few parts, so one number can name both.
function partNumber(item: unknown, part: unknown): number {
  return (asCount(item) ?? 0) * 1_000 + (asCount(part) ?? 0);
}

function responsesUsage(usage: JsonObject): TokenUsage {
  return {
    inputTokens: asCount(usage.input_tokens),
    outputTokens: asCount(usage.output_tokens),
    cachedInputTokens: asCount(asObject(usage.input_tokens_details)?.cached_tokens),
    reasoningTokens: asCount(asObject(usage.output_tokens_details)?.reasoning_tokens),
  };
}

function finishReasonOf(word: string): FinishReason {
  switch (word) {
    case 'completed':
      return 'STOP';
    case 'max_output_tokens':
      return 'LENGTH';
    case 'content_filter':
      return 'CONTENT_FILTER';
    default:
      return 'OTHER';
  }
}
