import type { Correction, Transport } from '../http/transport.ts';
import { asCount, asObject, asObjects, asText, type JsonObject } from '../json.ts';
import { type Piece, piecesOf } from '../kept-reasoning.ts';
import type { AnswerEnd, AnswerSink, ProviderCall, SentFile, TokenUsage, Turn } from '../provider.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { fileBase64, fileText } from './file-parts.ts';
import { answerEnd, finishWord } from './finish-word.ts';
import { readGrounding } from './grounding.ts';
import { streamAnswer, type WireReader } from './stream-answer.ts';

/** The conversation as contents. A part with a signature keeps its own text, as the model wrote it. */
export function geminiContents(turns: readonly Turn[], model: string): JsonObject[] {
  return turns.map((turn) => ({
    role: turn.role === 'assistant' ? 'model' : 'user',
    parts: [...(turn.files ?? []).map(filePart), ...partsOf(piecesOf(turn, 'GEMINI', model))],
  }));
}

function filePart(file: SentFile): JsonObject {
  if (file.form === 'text') return { text: fileText(file) };
  return { inlineData: { mimeType: file.mediaType, data: fileBase64(file) } };
}

function partsOf(pieces: readonly Piece[]): JsonObject[] {
  const parts: JsonObject[] = [];
  let signature: JsonObject = {};
  for (const piece of pieces) {
    if (piece.type === 'text') {
      parts.push({ text: piece.text, ...signature });
      signature = {};
      continue;
    }
    // A signature may come without any text.
    if (signature.thoughtSignature !== undefined) parts.push({ text: '', ...signature });
    signature = piece.item;
  }
  return signature.thoughtSignature === undefined ? parts : [...parts, { text: '', ...signature }];
}

/** Streams one answer from Gemini's `streamGenerateContent`. */
export function answerByGenerateContent(
  transport: Transport,
  call: ProviderCall,
  sink: AnswerSink,
  request: { model: string; headers: Record<string, string>; body: JsonObject; corrections: Correction[] },
): Promise<AnswerEnd> {
  const path = `/models/${encodeURIComponent(request.model)}:streamGenerateContent?alt=sse`;
  return streamAnswer(transport, call, { path, ...request }, sink, createGenerateContentReader);
}

function createGenerateContentReader(writer: AnswerWriter): WireReader {
  let finish: string | null = null;
  let isPromptBlocked = false;
  const text = { value: '' };

  return {
    read(chunk) {
      const candidate = asObjects(chunk.candidates)[0];
      if (candidate) readCandidate(candidate, writer, text);
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

function readCandidate(candidate: JsonObject, writer: AnswerWriter, answer: { value: string }): void {
  for (const part of asObjects(asObject(candidate.content)?.parts)) readPart(part, writer, answer);
  const grounding = asObject(candidate.groundingMetadata);
  if (grounding !== null) readGrounding(grounding, writer, answer.value);
}

function readPart(part: JsonObject, writer: AnswerWriter, answer: { value: string }): void {
  const { thoughtSignature } = part;
  const isThought = part.thought === true;
  if (asText(thoughtSignature) !== null) writer.keep({ thoughtSignature });
  if (isThought) writer.reasoning(part.text, 0);
  else {
    writer.text(part.text);
    answer.value += asText(part.text) ?? '';
  }
  // The signature belongs to this part's text alone, so the next text must not become part of it.
  if (asText(thoughtSignature) !== null) writer.keep({});
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
    cacheWriteTokens: null,
    reasoningTokens: thoughts,
  };
}
