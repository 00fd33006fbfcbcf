import { randomUUID } from 'node:crypto';
import { dataFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';
import { signThought } from './signature.ts';

/** Writes an answer as Gemini does: every event a whole response with the usage so far, and no event for the end. */
export function geminiFrames(model: string, showsThoughts: boolean, thinks: boolean): AnswerFrames {
  const responseId = randomUUID().slice(0, 23);
  let sofar: TokenCounts = { input: 0, text: 0, reasoning: 0, cached: 0, written: 0 };
  let thought = '';
  let said = '';
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
  const signature = () => (thinks && thought !== '' ? { thoughtSignature: signThought(model, thought) } : {});

  return {
    opening: ({ input, cached }) => {
      sofar = { ...sofar, input, cached };
      return [];
    },
    keepalive: () => [],
    reasoning: (text) => {
      sofar.reasoning += 1;
      thought += text;
      return showsThoughts ? [dataFrame(response(candidate({ text, thought: true }), sofar))] : [];
    },
    sources: (sources) => {
      cited = sources;
      return [];
    },
    text: (text) => {
      sofar.text += 1;
      said += text;
      return [dataFrame(response(candidate({ text }), sofar))];
    },
    ending: (end, tokens) => {
      const grounding = cited.length > 0 ? { groundingMetadata: groundingOf(cited, said) } : {};
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
    ...(tokens.cached > 0 ? { cachedContentTokenCount: tokens.cached } : {}),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens.input }],
    ...(tokens.reasoning > 0 ? { thoughtsTokenCount: tokens.reasoning } : {}),
  };
}

/** Its offsets count bytes. */
function groundingOf(sources: readonly Source[], text: string): object {
  const bytesBefore = (offset: number) => Buffer.byteLength(text.slice(0, offset));
  return {
    webSearchQueries: ['a simulated search'],
    groundingChunks: sources.map(({ url, title }) => ({ web: { uri: url, title } })),
    groundingSupports: sources.map(({ startOffset, endOffset }, index) => ({
      segment: {
        startIndex: bytesBefore(startOffset),
        endIndex: bytesBefore(endOffset),
        text: text.slice(startOffset, endOffset),
      },
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
