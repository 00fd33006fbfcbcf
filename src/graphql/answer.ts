import { answerEvents } from '../answers/answer-events.ts';
import type { AnswerEvent as AnswerEventShape } from '../answers/live-answer.ts';
import { regenerateAnswer } from '../answers/regenerate-answer.ts';
import { stopAnswer } from '../answers/stop-answer.ts';
import { type ThreadEvent as ThreadEventShape, threadEvents } from '../answers/thread-events.ts';
import { NotFoundError, NotPermittedError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { answerErrorOf, describeFailure, Message, sendErrors } from './message.ts';
import { Thread } from './thread.ts';
import { AnswerError } from './user-error.ts';

type Of<Type extends ThreadEventShape['type']> = Extract<ThreadEventShape, { type: Type }>;

const DeltaPart = builder.enumType('DeltaPart', {
  description: 'Which of a message’s texts grows.',
  values: {
    TEXT: { description: 'The answer: `Message.text`.' },
    REASONING: { description: 'The thinking before it: `Message.reasoning`.' },
  } as const,
});

const AnswerDelta = builder.objectRef<Of<'delta'>>('AnswerDelta').implement({
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

const AnswerRetrying = builder.objectRef<Of<'retrying'>>('AnswerRetrying').implement({
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

const AnswerFinished = builder.objectRef<Of<'ended'>>('AnswerFinished').implement({
  description:
    'An answer ended as it should, COMPLETE or STOPPED. Sent after it was saved; nothing follows it.',
  fields: (t) => ({
    message: t.expose('message', {
      type: Message,
      description: 'The answer. Its text replaces what the client holds.',
    }),
  }),
});

const AnswerFailed = builder.objectRef<Of<'ended'>>('AnswerFailed').implement({
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
      resolve: ({ message }, _args, context) => {
        const error = answerErrorOf(message, context);
        if (error === null) throw new Error('a failed answer has no error');
        return error;
      },
    }),
  }),
});

const ThreadSnapshot = builder.objectRef<Of<'snapshot'>>('ThreadSnapshot').implement({
  description:
    'How the thread stands. Always first, and first again after every reconnect: if `thread.revision` differs from yours, fetch the messages again.',
  fields: (t) => ({
    thread: t.expose('thread', { type: Thread, description: 'The thread.' }),
    writing: t.expose('writing', {
      type: [Message],
      description:
        'The answers that are being written, with their text so far; their deltas go on from there.',
    }),
  }),
});

const MessageAdded = builder.objectRef<Of<'message-added'>>('MessageAdded').implement({
  description:
    'A message or answer was added. The deltas of an answer that is being written go on from the text given here.',
  fields: (t) => ({ message: t.expose('message', { type: Message, description: 'The message.' }) }),
});

const MessageRemoved = builder.objectRef<Of<'message-removed'>>('MessageRemoved').implement({
  description: 'A message was removed.',
  fields: (t) => ({
    messageId: t.exposeID('messageId', { description: 'Which one.' }),
    thread: t.expose('thread', { type: Thread, description: 'The thread as it stands now.' }),
  }),
});

const ThreadUpdated = builder.objectRef<Of<'thread-updated'>>('ThreadUpdated').implement({
  description: 'The thread’s title or visibility changed.',
  fields: (t) => ({
    thread: t.expose('thread', { type: Thread, description: 'The thread as it stands now.' }),
  }),
});

const ThreadRemoved = builder.objectRef<Of<'thread-removed'>>('ThreadRemoved').implement({
  description: 'The thread is gone, or the viewer may no longer see it. Nothing follows.',
  fields: (t) => ({ threadId: t.exposeID('threadId', { description: 'Which thread.' }) }),
});

const AnswerEvent = builder.unionType('AnswerEvent', {
  description: 'What happens to an answer. It may gain members: keep a default branch.',
  types: [AnswerDelta, AnswerRetrying, AnswerFinished, AnswerFailed],
  resolveType: typeNameOf,
});

const ThreadEvent = builder.unionType('ThreadEvent', {
  description: 'What happens in a thread. It may gain members: keep a default branch.',
  types: [
    ThreadSnapshot,
    MessageAdded,
    AnswerDelta,
    AnswerRetrying,
    AnswerFinished,
    AnswerFailed,
    ThreadUpdated,
    MessageRemoved,
    ThreadRemoved,
  ],
  resolveType: typeNameOf,
});

const StopAnswerInput = builder.inputType('StopAnswerInput', {
  description: 'Which answer to stop.',
  fields: (t) => ({ messageId: t.id({ required: true, description: 'Id of the answer.' }) }),
});

const StopAnswerPayload = builder.objectRef<{ message: MessageShape }>('StopAnswerPayload').implement({
  description: 'An answer that has ended.',
  fields: (t) => ({
    message: t.expose('message', { type: Message, description: 'The answer as it was saved.' }),
  }),
});

builder.mutationField('stopAnswer', (t) =>
  t.field({
    type: StopAnswerPayload,
    description:
      'Stops an answer and keeps its text; the provider’s connection is closed at once. Returns once that is saved. An answer that has already ended is returned as it is.',
    args: { input: t.arg({ type: StopAnswerInput, required: true, description: 'Which answer.' }) },
    errors: { types: [NotPermittedError, NotFoundError] },
    resolve: async (_root, { input }, context) => ({
      message: await stopAnswer(context.deps, requireViewer(context), input.messageId),
    }),
  }),
);

const RegenerateAnswerInput = builder.inputType('RegenerateAnswerInput', {
  description: 'Which answer to have written again.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Id of the answer.' }),
    modelId: t.id({ description: 'Another model to ask; the same one if absent.' }),
  }),
});

const RegenerateAnswerPayload = builder
  .objectRef<{ answer: MessageShape }>('RegenerateAnswerPayload')
  .implement({
    description: 'An answer that has begun.',
    fields: (t) => ({
      answer: t.expose('answer', { type: Message, description: 'The new answer, a sibling of the first.' }),
    }),
  });

builder.mutationField('regenerateAnswer', (t) =>
  t.field({
    type: RegenerateAnswerPayload,
    description: 'Begins another answer to the same message. The first one stays as it is.',
    args: { input: t.arg({ type: RegenerateAnswerInput, required: true, description: 'Which answer.' }) },
    errors: { types: sendErrors },
    resolve: async (_root, { input }, context) => ({
      answer: await regenerateAnswer(context.deps, requireViewer(context), input),
    }),
  }),
);

builder.subscriptionField('answerEvents', (t) =>
  t.field({
    type: AnswerEvent,
    description:
      'Follows one answer to its end: deltas from the given offsets, then AnswerFinished or AnswerFailed. To resume, subscribe again with the lengths of what you have. An answer that has ended gives its end at once.',
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
    resolve: (event: AnswerEventShape) => event,
  }),
);

builder.subscriptionField('threadEvents', (t) =>
  t.field({
    type: ThreadEvent,
    description:
      'Follows a thread: first ThreadSnapshot, then every message, delta and change in it, those of several answers at once included.',
    args: { threadId: t.arg.id({ required: true, description: 'Id of the thread.' }) },
    subscribe: (_root, { threadId }, context) => threadEvents(context.deps, requireViewer(context), threadId),
    resolve: (event: ThreadEventShape) => event,
  }),
);

function typeNameOf(event: ThreadEventShape): string {
  switch (event.type) {
    case 'delta':
      return 'AnswerDelta';
    case 'retrying':
      return 'AnswerRetrying';
    case 'ended':
      return event.message.errorCode === null ? 'AnswerFinished' : 'AnswerFailed';
    case 'snapshot':
      return 'ThreadSnapshot';
    case 'message-added':
      return 'MessageAdded';
    case 'message-removed':
      return 'MessageRemoved';
    case 'thread-updated':
      return 'ThreadUpdated';
    case 'thread-removed':
      return 'ThreadRemoved';
    default:
      return event satisfies never;
  }
}
