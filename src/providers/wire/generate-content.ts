import type { Transport } from '../http/transport.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import type { AnswerEnd, AnswerSink, ProviderCall, TokenUsage } from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { streamAnswer, type WireReader } from './stream-answer.ts';

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

function createGenerateContentReader(writer: AnswerWriter): WireReader {
  let finish: string | null = null;
  let isPromptBlocked = false;

  return {
    read(chunk) {
      const candidate = asObjects(chunk.candidates)[0];
      if (candidate) readCandidate(candidate, writer);
      const blockReason = asText(asObject(chunk.promptFeedback)?.blockReason);
      isPromptBlocked ||= blockReason !== null;
      const word = blockReason ?? finishWord(candidate?.finishReason);
      finish = word ?? finish;
      const usage = asObject(chunk.usageMetadata);
      if (usage) writer.usage(geminiUsage(usage), finish !== null);
      // Gemini sends no end mark: only the closed connection shows the end.
      return word === null ? 'open' : 'finished';
    },
    end() {
      if (finish === null) return null;
      if (isPromptBlocked) return { finishReason: 'CONTENT_FILTER', providerFinishReason: finish };
      return answerEnd(finish);
    },
  };
}

function readCandidate(candidate: JsonObject, writer: AnswerWriter): void {
  for (const part of asObjects(asObject(candidate.content)?.parts)) {
    if (part.thought === true) writer.reasoning(part.text, 0);
    else writer.text(part.text);
  }
  // Offsets of citations are left out: Gemini counts them in bytes of a part of the answer, which it never sends whole.
  for (const chunk of asObjects(asObject(candidate.groundingMetadata)?.groundingChunks)) {
    const source = asObject(chunk.web);
    if (source) writer.citation(source.uri, source.title, null, null);
  }
}

function geminiUsage(usage: JsonObject): TokenUsage {
  const candidates = asCount(usage.candidatesTokenCount);
  const thoughts = asCount(usage.thoughtsTokenCount);
  const prompt = asCount(usage.promptTokenCount);
  const toolUse = asCount(usage.toolUsePromptTokenCount);
  return {
    // Results of tools are counted separately from the prompt and billed like it.
    inputTokens: prompt === null && toolUse === null ? null : (prompt ?? 0) + (toolUse ?? 0),
    // Candidates leave thoughts out; both are billed as output.
    outputTokens: candidates === null && thoughts === null ? null : (candidates ?? 0) + (thoughts ?? 0),
    cachedInputTokens: asCount(usage.cachedContentTokenCount),
    reasoningTokens: thoughts,
  };
}
