import type { AnswerEvent as AnswerEventShape } from '../answers/followed-answer.ts';
import type { AccessLost } from '../follow/access-watch.ts';
import { answerEvents } from '../follow/answer.ts';
import type { ProviderName } from '../providers/provider.ts';
import { Answer, answerErrorOf, describeFailure, managesKey } from './answer.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { AnswerError } from './user-error.ts';

type Of<Type extends AnswerEventShape['type']> = Extract<AnswerEventShape, { type: Type }>;

const DeltaPart = builder.enumType('DeltaPart', {
  description: 'Text of an answer that a delta belongs to.',
  values: {
    TEXT: { description: 'The answer itself: `Answer.text`.' },
    REASONING: { description: 'Thinking before the answer: `Answer.reasoning`.' },
  } as const,
});

export const AnswerDelta = builder.objectRef<Of<'delta'>>('AnswerDelta').implement({
  description:
    'A piece of an answer. With `o` the offset and `d` the text, apply it as `text = text.slice(0, o) + d + text.slice(o + d.length)`, which does no harm if a piece arrives twice. If `o > text.length` a piece is missing: subscribe again from `text.length`.',
  fields: (t) => ({
    answerId: t.exposeID('answerId', { description: 'Id of the answer that grows.' }),
    part: t.expose('part', { type: DeltaPart, description: 'Text that the piece belongs to.' }),
    offset: t.exposeInt('offset', {
      description:
        'Offset of the piece in that text, in UTF-16 code units: the unit of string lengths in JavaScript, Java, C# and Dart.',
    }),
    text: t.exposeString('text', {
      description: 'The piece itself. A slow reader gets fewer and longer ones.',
    }),
  }),
});

export const AnswerRetrying = builder.objectRef<Of<'retrying'>>('AnswerRetrying').implement({
  description: 'The provider failed before the first character and will be asked again.',
  fields: (t) => ({
    answerId: t.exposeID('answerId', { description: 'Id of the answer that is delayed.' }),
    attempt: t.exposeInt('attempt', {
      description: 'Number of calls of the provider that have failed, from 1, with all keys.',
    }),
    retryAt: t.expose('retryAt', { type: 'DateTime', description: 'Time at which the next call begins.' }),
    isOtherKey: t.exposeBoolean('isOtherKey', {
      description:
        'True if the next call is made with another key of the same workspace or team. Which keys they are is in `Answer.attempts`, for those who manage them.',
    }),
    error: t.field({
      type: AnswerError,
      description: 'Error that the last call failed with.',
      resolve: async ({ code, provider, retryAt, apiKeyId }, _args, context) =>
        describeFailure(
          code,
          provider as ProviderName,
          retryAt,
          context,
          await managesKey(code, apiKeyId, context),
        ),
    }),
  }),
});

export const AnswerFinished = builder.objectRef<Of<'ended'>>('AnswerFinished').implement({
  description:
    'An answer ended as COMPLETE or STOPPED. The event is sent after the answer was saved; nothing follows it.',
  fields: (t) => ({
    answer: t.expose('answer', {
      type: Answer,
      description: 'The answer as it was saved. Its text replaces the text that the client holds.',
    }),
  }),
});

export const AnswerFailed = builder.objectRef<Of<'ended'>>('AnswerFailed').implement({
  description:
    'An answer ended as FAILED or INTERRUPTED. The event is sent after the answer was saved; nothing follows it.',
  fields: (t) => ({
    answer: t.expose('answer', {
      type: Answer,
      description: 'The answer as it was saved. Its text replaces the text that the client holds.',
    }),
    error: t.field({
      type: AnswerError,
      description: 'Error that the answer ended with.',
      resolve: async ({ answer }, _args, context) => {
        const error = await answerErrorOf(answer, context);
        if (error === null) throw new Error('a failed answer has no error');
        return error;
      },
    }),
  }),
});

const AnswerEvent = builder.unionType('AnswerEvent', {
  description: 'An event in the life of an answer. May grow: ignore unknown members.',
  types: [AnswerDelta, AnswerRetrying, AnswerFinished, AnswerFailed],
  resolveType: typeNameOfAnswerEvent,
});

builder.subscriptionField('answerEvents', (t) =>
  t.field({
    type: AnswerEvent,
    description:
      'Follows one answer to its end: deltas from the given offsets, then AnswerFinished or AnswerFailed. To resume, subscribe again with the lengths of the texts you have. For an answer that has ended the end is sent at once. Ends with NOT_FOUND when the viewer may not see the answer any more.',
    args: {
      answerId: t.arg.id({ required: true, description: 'Id of the answer.' }),
      offset: t.arg.int({
        required: true,
        defaultValue: 0,
        description: 'Length of the text you have, in UTF-16 code units.',
      }),
      reasoningOffset: t.arg.int({
        required: true,
        defaultValue: 0,
        description: 'Length of the reasoning you have, in UTF-16 code units.',
      }),
    },
    subscribe: (_root, args, context) => answerEvents(context.deps, requireViewer(context), args),
    resolve: (event: AnswerEventShape | AccessLost) => {
      if (event.type === 'access-lost') throw event.error;
      return event;
    },
  }),
);

/** The name of an event's type in the API. */
export function typeNameOfAnswerEvent(event: AnswerEventShape): string {
  switch (event.type) {
    case 'delta':
      return 'AnswerDelta';
    case 'retrying':
      return 'AnswerRetrying';
    case 'ended':
      return event.answer.errorCode === null ? 'AnswerFinished' : 'AnswerFailed';
    default:
      return event satisfies never;
  }
}
