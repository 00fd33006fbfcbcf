import type { AnswerWriter } from './answer-writer.ts';
import { asCount, asObject, asText, type JsonObject } from './json.ts';
import type { AnswerEnd, AnswerSink, FinishReason, ProviderCall } from './provider.ts';
import { type AnswerReader, type FailureIn, streamAnswer } from './stream-answer.ts';
import type { Transport } from './transport.ts';

/** Streams one answer from `POST /v1/messages`. */
export function answerByMessages(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  { headers, body }: { headers: Record<string, string>; body: JsonObject },
): Promise<AnswerEnd> {
  return streamAnswer(transport, call, { path: '/v1/messages', headers, body }, sink, createMessagesReader);
}

function createMessagesReader(writer: AnswerWriter, failureIn: FailureIn): AnswerReader {
  let input: number | null = null;
  let cacheRead: number | null = null;
  let cacheWrite: number | null = null;
  let output: number | null = null;
  let stopReason: string | null = null;
  let isStopped = false;

  return {
    get isFinished() {
      return isStopped;
    },
    read(event) {
      switch (event.type) {
        case 'content_block_delta':
          readDelta(asObject(event.delta), asCount(event.index) ?? 0);
          return false;
        case 'content_block_start':
          readBlockStart(asObject(event.content_block), asCount(event.index) ?? 0);
          return false;
        case 'message_start':
          readUsage(asObject(asObject(event.message)?.usage));
          return false;
        case 'message_delta':
          stopReason = asText(asObject(event.delta)?.stop_reason) ?? stopReason;
          readUsage(asObject(event.usage));
          return false;
        case 'message_stop':
          isStopped = true;
          return true;
        case 'error':
          throw failureIn(event);
        default:
          return false;
      }
    },
    end() {
      if (!isStopped) return null;
      return { finishReason: finishReasonOf(stopReason), providerFinishReason: stopReason ?? 'message_stop' };
    },
  };

  function readDelta(delta: JsonObject | null, block: number): void {
    if (delta === null) return;
    if (delta.type === 'text_delta') writer.text(delta.text);
    if (delta.type === 'thinking_delta') writer.reasoning(delta.thinking, block);
    if (delta.type === 'citations_delta') {
      const citation = asObject(delta.citation);
      // It says which words of the source were used, not which words of the answer rest on it.
      if (citation) writer.citation(citation.url, citation.title, null, null);
    }
  }

  function readBlockStart(content: JsonObject | null, block: number): void {
    if (content?.type === 'text') writer.text(content.text);
    if (content?.type === 'thinking') writer.reasoning(content.thinking, block);
  }

  function readUsage(latest: JsonObject | null): void {
    if (latest === null) return;
    // Counts are cumulative, and what a later event leaves out still holds.
    input = asCount(latest.input_tokens) ?? input;
    cacheRead = asCount(latest.cache_read_input_tokens) ?? cacheRead;
    cacheWrite = asCount(latest.cache_creation_input_tokens) ?? cacheWrite;
    output = asCount(latest.output_tokens) ?? output;
    writer.usage({
      inputTokens: input === null ? null : input + (cacheRead ?? 0) + (cacheWrite ?? 0),
      outputTokens: output,
      cachedInputTokens: cacheRead,
      reasoningTokens: null,
    });
  }
}

function finishReasonOf(stopReason: string | null): FinishReason {
  switch (stopReason) {
    case 'end_turn':
    case 'stop_sequence':
      return 'STOP';
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'LENGTH';
    case 'refusal':
      return 'CONTENT_FILTER';
    default:
      return 'OTHER';
  }
}
