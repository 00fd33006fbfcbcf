import { dataFrame } from './frame.ts';
import type { AnswerEnd, AnswerFrames, Source, TokenCounts } from './provider.ts';

/** Where the servers that speak OpenAI's chat completions differ from each other. */
export interface ChatFlavour {
  /** Event or document around the choices; `usage` only where this event carries it. */
  envelope(object: 'chat.completion.chunk' | 'chat.completion', choices: object[], usage?: object): object;
  choice(delta: object, finishReason: string | null): object;
  /** Delta of an event before the first text; null where the role rides on the first text. */
  openingDelta: object | null;
  /** Delta of a piece of reasoning; null where reasoning is not shown. */
  reasoningDelta(text: string): object | null;
  /** Delta of a piece of text; the plain one where this is absent. */
  textDelta?(text: string): object;
  /** Delta that names the sources, sent after the text; absent where there is none. */
  sourcesDelta?(sources: readonly Source[]): object;
  /** Fields beside the choices that name the sources, on the last event with a choice. */
  sourcesFields?(sources: readonly Source[]): object;
  usage(tokens: TokenCounts): object;
  usageRidesOn: 'own-event' | 'finish-event' | 'nothing';
  keepalive: string[];
  failure(isFirst: boolean): string[];
}

/** Writes an answer as the events of chat completions. */
export function chatFrames(flavour: ChatFlavour): AnswerFrames {
  let role: object = flavour.openingDelta ? {} : { role: 'assistant' };
  let block = 0;
  let cited: readonly Source[] = [];

  const chunk = (delta: object, finishReason: string | null = null) =>
    dataFrame(flavour.envelope('chat.completion.chunk', [flavour.choice(delta, finishReason)]));
  const withRole = (delta: object) => {
    const whole = { ...delta, ...role };
    role = {};
    return whole;
  };

  return {
    opening: () => (flavour.openingDelta ? [chunk(flavour.openingDelta)] : []),
    keepalive: () => flavour.keepalive,
    reasoning: (delta, nextBlock) => {
      // This wire has no blocks; models begin the next one with a blank line.
      const whole = flavour.reasoningDelta(nextBlock === block ? delta : `\n\n${delta}`);
      block = nextBlock;
      return whole ? [chunk(withRole(whole))] : [];
    },
    sources: (sources) => {
      cited = sources;
      return [];
    },
    text: (delta) => [chunk(withRole(flavour.textDelta?.(delta) ?? { content: delta }))],
    ending: (end, tokens) => {
      const usage = flavour.usage(tokens);
      const ridesOnFinish = flavour.usageRidesOn === 'finish-event' ? usage : undefined;
      const finishDelta = flavour.usageRidesOn === 'finish-event' ? { content: '' } : {};
      const choice = flavour.choice(finishDelta, finishReasonOf(end));
      const finish = flavour.envelope('chat.completion.chunk', [choice], ridesOnFinish);
      return [
        ...(cited.length > 0 && flavour.sourcesDelta ? [chunk(flavour.sourcesDelta(cited))] : []),
        dataFrame({ ...finish, ...(cited.length > 0 ? flavour.sourcesFields?.(cited) : undefined) }),
        ...(flavour.usageRidesOn === 'own-event'
          ? [dataFrame(flavour.envelope('chat.completion.chunk', [], usage))]
          : []),
        DONE,
      ];
    },
    failure: (isFirst) => flavour.failure(isFirst),
    whole: (text, end, tokens) =>
      flavour.envelope(
        'chat.completion',
        [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finishReasonOf(end) }],
        flavour.usage(tokens),
      ),
  };
}

/** OpenAI's word for how an answer ended. */
export function finishReasonOf(end: AnswerEnd): string {
  return end === 'content-filter' ? 'content_filter' : end;
}

/** The event that ends a stream of chat completions. */
export const DONE = 'data: [DONE]\n\n';
