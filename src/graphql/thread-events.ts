import { type ThreadEvent as ThreadEventShape, threadEvents } from '../follow/thread.ts';
import { Answer } from './answer.ts';
import {
  AnswerDelta,
  AnswerFailed,
  AnswerFinished,
  AnswerRetrying,
  typeNameOfAnswerEvent,
} from './answer-events.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { forgetAll } from './loader.ts';
import { Message } from './message.ts';
import { recallSent } from './sent-message.ts';
import { Thread } from './thread.ts';

type Of<Type extends ThreadEventShape['type']> = Extract<ThreadEventShape, { type: Type }>;

const ThreadSnapshot = builder.objectRef<Of<'snapshot'>>('ThreadSnapshot').implement({
  description:
    'State of the thread, always the first event and the first again after every reconnect: if `thread.revision` differs from yours, fetch the messages again.',
  fields: (t) => ({
    thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
    writing: t.expose('writing', {
      type: [Answer],
      description: 'Answers that are being written, with their text so far; their deltas go on from there.',
    }),
  }),
});

const MessageAdded = builder.objectRef<Of<'message-added'>>('MessageAdded').implement({
  description:
    'A message or answer was added. The deltas of an answer that is being written go on from the text given here.',
  fields: (t) => ({
    message: t.field({
      type: Message,
      description: 'The message that was added.',
      resolve: async ({ message }, _args, context) => {
        await recallSent(context, message);
        return message;
      },
    }),
  }),
});

const MessageRemoved = builder.objectRef<Of<'message-removed'>>('MessageRemoved').implement({
  description: 'A message was removed from the thread, and everything below it.',
  fields: (t) => ({
    removedId: t.exposeID('removedId', { description: 'Id of the removed message.' }),
    thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
  }),
});

export const ThreadUpdated = builder.objectRef<Of<'thread-updated'>>('ThreadUpdated').implement({
  description:
    'The title or visibility of the thread changed; in `workspaceEvents` also that its revision grew, e.g. because a message was added and it moves in a list.',
  fields: (t) => ({
    thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
  }),
});

export const ThreadRemoved = builder.objectRef<Of<'thread-removed'>>('ThreadRemoved').implement({
  description: 'The thread is gone, or the viewer may no longer see it. In `threadEvents` nothing follows.',
  fields: (t) => ({ removedId: t.exposeID('removedId', { description: 'Id of the thread that is gone.' }) }),
});

const ThreadEvent = builder.unionType('ThreadEvent', {
  description: 'An event in a thread. May grow: ignore unknown members.',
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

builder.subscriptionField('threadEvents', (t) =>
  t.field({
    type: ThreadEvent,
    description:
      'Follows a thread: first ThreadSnapshot, then every message, delta and change in it, those of several answers at once included.',
    args: { threadId: t.arg.id({ required: true, description: 'Id of the thread.' }) },
    subscribe: (_root, { threadId }, context) => threadEvents(context.deps, requireViewer(context), threadId),
    resolve: (event: ThreadEventShape, _args, context) => {
      // What was remembered for an event before. A delta reads nothing.
      if (event.type !== 'delta') forgetAll(context.loaders);
      return event;
    },
  }),
);

function typeNameOf(event: ThreadEventShape): string {
  switch (event.type) {
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
      return typeNameOfAnswerEvent(event);
  }
}
