import type { Transport } from '../http/transport.ts';
import { asCount, asObject, asObjects, type JsonObject } from '../json.ts';
import type { AnswerEnd, AnswerSink, ProviderCall } from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { type Progress, streamAnswer, type WireReader } from './stream-answer.ts';

/** Streams one answer from `POST /v1/messages`. */
export function answerByMessages(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  { headers, body }: { headers: Record<string, string>; body: JsonObject },
): Promise<AnswerEnd> {
  return streamAnswer(transport, call, { path: '/v1/messages', headers, body }, sink, createMessagesReader);
}

function createMessagesReader(writer: AnswerWriter): WireReader {
  let input: number | null = null;
  let cacheRead: number | null = null;
  let cacheWrite: number | null = null;
  let output: number | null = null;
  let thinking: number | null = null;
  let stopReason: string | null = null;
  let isStopped = false;

  return {
    read(event) {
      switch (event.type) {
        case 'content_block_delta':
          readDelta(asObject(event.delta), asCount(event.index) ?? 0);
          return 'open';
        case 'content_block_start':
          readBlock(asObject(event.content_block), asCount(event.index) ?? 0);
          return 'open';
        case 'message_start':
          // Its output count is left out: nothing has been written yet.
          readInput(asObject(asObject(event.message)?.usage));
          writeUsage(false);
          return 'open';
        case 'message_delta':
          return readEnd(asObject(event.delta), asObject(event.usage));
        case 'message_stop':
          isStopped = true;
          return 'last';
        case 'message':
          for (const [block, content] of asObjects(event.content).entries()) readBlock(content, block);
          readEnd(event, asObject(event.usage));
          isStopped = true;
          return 'last';
        default:
          return 'open';
      }
    },
    end() {
      if (stopReason !== null) return answerEnd(stopReason);
      return isStopped ? { finishReason: 'OTHER', providerFinishReason: 'message_stop' } : null;
    },
  };

  function readDelta(delta: JsonObject | null, block: number): void {
    if (delta === null) return;
    if (delta.type === 'text_delta') writer.text(delta.text);
    if (delta.type === 'thinking_delta') writer.reasoning(delta.thinking, block);
    if (delta.type === 'citations_delta') {
      const citation = asObject(delta.citation);
      // It has offsets into the source, not into the answer.
      if (citation) writer.citation(citation.url, citation.title, null, null);
    }
  }

  function readBlock(content: JsonObject | null, block: number): void {
    if (content?.type === 'text') writer.text(content.text);
    if (content?.type === 'thinking') writer.reasoning(content.thinking, block);
    for (const citation of asObjects(content?.citations))
      writer.citation(citation.url, citation.title, null, null);
  }

  function readEnd(delta: JsonObject | null, usage: JsonObject | null): Progress {
    const word = finishWord(delta?.stop_reason);
    stopReason = word ?? stopReason;
    readInput(usage);
    output = asCount(usage?.output_tokens) ?? output;
    thinking = asCount(asObject(usage?.output_tokens_details)?.thinking_tokens) ?? thinking;
    writeUsage(stopReason !== null);
    return word === null ? 'open' : 'finished';
  }

  /** Counts are cumulative; one that a later event leaves out keeps its value. */
  function readInput(usage: JsonObject | null): void {
    input = asCount(usage?.input_tokens) ?? input;
    cacheRead = asCount(usage?.cache_read_input_tokens) ?? cacheRead;
    cacheWrite = asCount(usage?.cache_creation_input_tokens) ?? cacheWrite;
  }

  function writeUsage(isFinal: boolean): void {
    writer.usage(
      {
        inputTokens: input === null ? null : input + (cacheRead ?? 0) + (cacheWrite ?? 0),
        outputTokens: output,
        cachedInputTokens: cacheRead,
        reasoningTokens: thinking,
      },
      isFinal,
    );
  }
}
