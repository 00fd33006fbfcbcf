import type { AnswerWriter } from './answer-writer.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from './json.ts';
import type { AnswerEnd, AnswerSink, FinishReason, ProviderCall, TokenUsage } from './provider.ts';
import { type AnswerReader, type FailureIn, streamAnswer } from './stream-answer.ts';
import type { Transport } from './transport.ts';

/** Streams one answer from Gemini's `streamGenerateContent`. */
export function answerByGenerateContent(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  { model, headers, body }: { model: string; headers: Record<string, string>; body: JsonObject },
): Promise<AnswerEnd> {
  const path = `/models/${encodeURIComponent(model)}:streamGenerateContent?alt=sse`;
  return streamAnswer(transport, call, { path, headers, body }, sink, createGenerateContentReader);
}

function createGenerateContentReader(writer: AnswerWriter, failureIn: FailureIn): AnswerReader {
  let finish: string | null = null;
  let isPromptBlocked = false;

  return {
    get isFinished() {
      return finish !== null;
    },
    read(chunk) {
      if (chunk.error) throw failureIn(chunk);
      const candidate = asObjects(chunk.candidates)[0];
      if (candidate) readCandidate(candidate, writer);
      finish = asText(candidate?.finishReason) ?? finish;
      const blockReason = asText(asObject(chunk.promptFeedback)?.blockReason);
      if (blockReason !== null) {
        finish = blockReason;
        isPromptBlocked = true;
      }
      const usage = asObject(chunk.usageMetadata);
      if (usage) writer.usage(geminiUsage(usage));
      // The finish reason is no end mark: usage may still follow, and the connection's close is all that says "over".
      return false;
    },
    end() {
      if (finish === null) return null;
      return {
        finishReason: isPromptBlocked ? 'CONTENT_FILTER' : finishReasonOf(finish),
        providerFinishReason: finish,
      };
    },
  };
}

function readCandidate(candidate: JsonObject, writer: AnswerWriter): void {
  for (const part of asObjects(asObject(candidate.content)?.parts)) {
    if (part.thought === true) writer.reasoning(part.text, 0);
    else writer.text(part.text);
  }
  // Which words rest on a source is told in bytes of one part of an answer never sent whole, so it is left out.
  for (const chunk of asObjects(asObject(candidate.groundingMetadata)?.groundingChunks)) {
    const source = asObject(chunk.web);
    if (source) writer.citation(source.uri, source.title, null, null);
  }
}

function geminiUsage(usage: JsonObject): TokenUsage {
  const candidates = asCount(usage.candidatesTokenCount);
  const thoughts = asCount(usage.thoughtsTokenCount);
  return {
    inputTokens: asCount(usage.promptTokenCount),
    // Candidates leave thoughts out; both are paid for as output.
    outputTokens: candidates === null && thoughts === null ? null : (candidates ?? 0) + (thoughts ?? 0),
    cachedInputTokens: asCount(usage.cachedContentTokenCount),
    reasoningTokens: thoughts,
  };
}

function finishReasonOf(finish: string): FinishReason {
  switch (finish) {
    case 'STOP':
      return 'STOP';
    case 'MAX_TOKENS':
      return 'LENGTH';
    case 'SAFETY':
    case 'RECITATION':
    case 'LANGUAGE':
    case 'BLOCKLIST':
    case 'PROHIBITED_CONTENT':
    case 'SPII':
    case 'IMAGE_SAFETY':
      return 'CONTENT_FILTER';
    default:
      return 'OTHER';
  }
}
