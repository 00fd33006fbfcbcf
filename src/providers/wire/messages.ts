import type { Correction, Transport } from '../http/transport.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { piecesOf } from '../kept-reasoning.ts';
import type { AnswerEnd, AnswerSink, ProviderCall, SentFile, Turn } from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { fileBase64, fileText, hasWords } from './file-parts.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { type Progress, streamAnswer, type WireReader } from './stream-answer.ts';

/** Streams one answer from `POST /v1/messages`. */
export function answerByMessages(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  request: {
    headers: Record<string, string>;
    body: JsonObject & { model: string };
    corrections: readonly Correction[];
  },
): Promise<AnswerEnd> {
  const post = { path: '/v1/messages', model: request.body.model, ...request };
  return streamAnswer(transport, call, post, sink, createMessagesReader);
}

/** The conversation as messages, with the model's own signed thinking where it stood. */
export function messagesOf(turns: readonly Turn[], model: string): JsonObject[] {
  return turns.map((turn) => {
    const { role, text, files = [] } = turn;
    if (files.length > 0) {
      const blocks = files.map(fileBlock);
      return { role, content: hasWords(text) ? [...blocks, { type: 'text', text }] : blocks };
    }
    const pieces = piecesOf(turn, 'ANTHROPIC', model);
    const isPlain = pieces.every(({ type }) => type === 'text');
    const blocks = pieces.map((piece) => (piece.type === 'item' ? piece.item : piece));
    return { role, content: isPlain ? text : blocks };
  });
}

function fileBlock(file: SentFile): JsonObject {
  if (file.form === 'text') {
    // A document without text is refused.
    if (!hasWords(file.text)) return { type: 'text', text: fileText(file) };
    const source = { type: 'text', media_type: 'text/plain', data: file.text };
    return { type: 'document', title: file.name, ...(file.note !== null && { context: file.note }), source };
  }
  const source = { type: 'base64', media_type: file.mediaType, data: fileBase64(file) };
  return file.form === 'image' ? { type: 'image', source } : { type: 'document', title: file.name, source };
}

function createMessagesReader(writer: AnswerWriter): WireReader {
  let input: number | null = null;
  let cacheRead: number | null = null;
  let cacheWrite: number | null = null;
  let output: number | null = null;
  let thinking: number | null = null;
  let stopReason: string | null = null;
  let isStopped = false;
  let thought: { thinking: string; signature: string } | null = null;

  return {
    read(event) {
      switch (event.type) {
        case 'content_block_delta':
          readDelta(asObject(event.delta), asCount(event.index) ?? 0);
          return 'open';
        case 'content_block_start':
          readBlock(asObject(event.content_block), asCount(event.index) ?? 0);
          return 'open';
        case 'content_block_stop':
          keepThought();
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
          for (const [block, content] of asObjects(event.content).entries()) {
            readBlock(content, block);
            keepThought();
          }
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
    if (delta.type === 'thinking_delta') {
      writer.reasoning(delta.thinking, block);
      if (thought !== null) thought.thinking += asText(delta.thinking) ?? '';
    }
    if (delta.type === 'signature_delta' && thought !== null)
      thought.signature += asText(delta.signature) ?? '';
    if (delta.type === 'citations_delta') {
      const citation = asObject(delta.citation);
      // It has offsets into the source, not into the answer.
      if (citation) writer.citation(citation.url, citation.title, null, null);
    }
  }

  function readBlock(content: JsonObject | null, block: number): void {
    if (content?.type === 'text') writer.text(content.text);
    if (content?.type === 'thinking') {
      writer.reasoning(content.thinking, block);
      thought = { thinking: asText(content.thinking) ?? '', signature: asText(content.signature) ?? '' };
    }
    if (content?.type === 'redacted_thinking') writer.keep({ type: content.type, data: content.data });
    for (const citation of asObjects(content?.citations))
      writer.citation(citation.url, citation.title, null, null);
  }

  /** A thought without a signature, such as one of a compatible server, would be refused. */
  function keepThought(): void {
    if (thought !== null && thought.signature !== '') writer.keep({ type: 'thinking', ...thought });
    thought = null;
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
        cacheWriteTokens: cacheWrite,
        reasoningTokens: thinking,
      },
      isFinal,
    );
  }
}
