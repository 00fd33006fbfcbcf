import type { AnswerEvent as AnswerEventShape } from '../answers/live-answer.ts';
import type { AccessLost } from '../follow/access-watch.ts';
import { answerEvents } from '../follow/answer.ts';
import type { ProviderName } from '../providers/provider.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { answerErrorOf, describeFailure, Message } from './message.ts';
import { AnswerError } from './user-error.ts';

type Of<Type extends AnswerEventShape['type']> = Extract<AnswerEventShape, { type: Type }>;

const DeltaPart = builder.enumType('DeltaPart', {
  description: 'Which of a message’s texts grows.',
  values: {
    TEXT: { description: 'The answer: `Message.text`.' },
    REASONING: { description: 'The thinking before it: `Message.reasoning`.' },
  } as const,
});

export const AnswerDelta = builder.objectRef<Of<'delta'>>('AnswerDelta').implement({
  description:
    'A piece of an answer. With `o` the offset and `d` the text, apply it as `text = text.slice(0, o) + d + text.slice(o + d.length)`, which does no harm when a piece comes twice. If `o > text.length` a piece is missing: subscribe again from `text.length`.',
  fields: (t) => ({
    messageId: t.exposeID('messageId', { description: 'Which answer grows.' }),
    part: t.expose('part', { type: DeltaPart, description: 'Which of its texts.' }),
    offset: t.exposeInt('offset', {
      description:
        'Where the piece belongs, in UTF-16 code units: the unit of string lengths in JavaScript, Java, C# and Dart.',
    }),
    text: t.exposeString('text', { description: 'The piece; a slow reader gets fewer and longer ones.' }),
  }),
});

export const AnswerRetrying = builder.objectRef<Of<'retrying'>>('AnswerRetrying').implement({
  description: 'The provider failed before the first character and will be asked again.',
  fields: (t) => ({
    messageId: t.exposeID('messageId', { description: 'Which answer.' }),
    attempt: t.exposeInt('attempt', { description: 'How many attempts have failed, from 1.' }),
    retryAt: t.expose('retryAt', { type: 'DateTime', description: 'When the next one begins.' }),
    error: t.field({
      type: AnswerError,
      description: 'What the last attempt failed with.',
      resolve: ({ code, provider, retryAt }, _args, context) =>
        describeFailure(code, provider as ProviderName, retryAt, context),
    }),
  }),
});

export const AnswerFinished = builder.objectRef<Of<'ended'>>('AnswerFinished').implement({
  description:
    'An answer ended as it should, COMPLETE or STOPPED. Sent after it was saved; nothing follows it.',
  fields: (t) => ({
    message: t.expose('message', {
      type: Message,
      description: 'The answer. Its text replaces what the client holds.',
    }),
  }),
});

export const AnswerFailed = builder.objectRef<Of<'ended'>>('AnswerFailed').implement({
  description:
    'An answer ended before its time, FAILED or INTERRUPTED. Sent after it was saved; nothing follows it.',
  fields: (t) => ({
    message: t.expose('message', {
      type: Message,
      description: 'The answer. Its text replaces what the client holds.',
    }),
    error: t.field({
      type: AnswerError,
      description: 'Why.',
      resolve: async ({ message }, _args, context) => {
        const error = await answerErrorOf(message, context);
        if (error === null) throw new Error('a failed answer has no error');
        return error;
      },
    }),
  }),
});

const AnswerEvent = builder.unionType('AnswerEvent', {
  description: 'What happens to an answer. It may gain members: keep a default branch.',
  types: [AnswerDelta, AnswerRetrying, AnswerFinished, AnswerFailed],
  resolveType: typeNameOfAnswerEvent,
});

builder.subscriptionField('answerEvents', (t) =>
  t.field({
    type: AnswerEvent,
    description:
      'Follows one answer to its end: deltas from the given offsets, then AnswerFinished or AnswerFailed. To resume, subscribe again with the lengths of what you have. An answer that has ended gives its end at once. Ends with NOT_FOUND when the viewer may not see the answer any more.',
    args: {
      messageId: t.arg.id({ required: true, description: 'Id of the answer.' }),
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
      return event.message.errorCode === null ? 'AnswerFinished' : 'AnswerFailed';
    default:
      return event satisfies never;
  }
}
