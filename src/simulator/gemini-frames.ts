import { randomUUID } from 'node:crypto';
import { dataFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';

/** Writes an answer as Gemini does: every event a whole response with the usage so far, and no event for the end. */
export function geminiFrames(model: string, inputTokens: number, showsThoughts: boolean): AnswerFrames {
  const responseId = randomUUID().slice(0, 23);
  const sofar: TokenCounts = { input: inputTokens, text: 0, reasoning: 0 };
  let cited: readonly Source[] = [];

  const response = (candidate: object | null, tokens: TokenCounts, fields: object = {}) => ({
    ...(candidate ? { candidates: [candidate] } : {}),
    ...fields,
    usageMetadata: usageOf(tokens),
    modelVersion: model,
    responseId,
  });
  const candidate = (part: object, fields: object = {}) => ({
    content: { parts: [part], role: 'model' },
    ...fields,
    index: 0,
  });
  const signature = () => (sofar.reasoning > 0 ? { thoughtSignature: 'c2ltdWxhdGVkIHRob3VnaHQ=' } : {});

  return {
    opening: () => [],
    keepalive: () => [],
    reasoning: (text) => {
      sofar.reasoning += 1;
      return showsThoughts ? [dataFrame(response(candidate({ text, thought: true }), sofar))] : [];
    },
    sources: (sources) => {
      cited = sources;
      return [];
    },
    text: (text) => {
      sofar.text += 1;
      return [dataFrame(response(candidate({ text }), sofar))];
    },
    ending: (end, tokens) => {
      const grounding = cited.length > 0 ? { groundingMetadata: groundingOf(cited) } : {};
      const fields = { finishReason: finishReasonOf(end), ...grounding };
      return [dataFrame(response(candidate({ text: '', ...signature() }, fields), tokens))];
    },
    failure: () => [
      dataFrame({
        error: {
          code: 503,
          message: 'This model is currently experiencing high demand. Please try again later.',
          status: 'UNAVAILABLE',
        },
      }),
    ],
    whole: (text, end, tokens) =>
      response(candidate({ text }, { finishReason: finishReasonOf(end) }), tokens),
  };
}

function usageOf(tokens: TokenCounts): object {
  return {
    promptTokenCount: tokens.input,
    candidatesTokenCount: tokens.text,
    totalTokenCount: tokens.input + tokens.text + tokens.reasoning,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens.input }],
    ...(tokens.reasoning > 0 ? { thoughtsTokenCount: tokens.reasoning } : {}),
  };
}

function groundingOf(sources: readonly Source[]): object {
  return {
    webSearchQueries: ['a simulated search'],
    groundingChunks: sources.map(({ url, title }) => ({ web: { uri: url, title } })),
    groundingSupports: sources.map(({ startOffset, endOffset }, index) => ({
      segment: { startIndex: startOffset, endIndex: endOffset },
      groundingChunkIndices: [index],
    })),
  };
}

function finishReasonOf(end: AnswerEnd): string {
  switch (end) {
    case 'stop':
      return 'STOP';
    case 'length':
      return 'MAX_TOKENS';
    case 'content-filter':
      return 'SAFETY';
    default:
      return end satisfies never;
  }
}
