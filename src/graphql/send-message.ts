import { withLiveText } from '../answers/live-text.ts';
import { sendMessage } from '../answers/send-message.ts';
import * as errors from '../errors.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import type { Thread as ThreadShape } from '../threads/thread.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { Message } from './message.ts';
import { Thread } from './thread.ts';

const SendMessageInput = builder.inputType('SendMessageInput', {
  description: 'A message to send, and who shall answer it.',
  fields: (t) => ({
    threadId: t.id({ required: true, description: 'The thread.' }),
    text: t.string({ required: true, description: 'What to say, up to 256 KiB of UTF-8.' }),
    modelIds: t.idList({
      required: true,
      description: 'One to eight different models; each writes an answer of its own.',
    }),
    parentId: t.id({
      description:
        'Id of the message to reply to. If absent, that is the newest answer of the newest question that has ended with some text, else the question.',
    }),
    idempotencyKey: t.string({
      description:
        'Any text that is new for each message, up to 200 characters. Sending the same input again with the same one gives the first message instead of a second; another input with it is a CONFLICT.',
    }),
  }),
});

const SendMessagePayload = builder
  .objectRef<{ message: MessageShape; answers: MessageShape[]; thread: ThreadShape }>('SendMessagePayload')
  .implement({
    description: 'A message that was sent.',
    fields: (t) => ({
      message: t.expose('message', { type: Message, description: 'The person’s message.' }),
      answers: t.field({
        type: [Message],
        description:
          'One answer per model, in the order of `modelIds`. Follow them with `answerEvents` or `threadEvents`.',
        resolve: ({ answers }, _args, { deps }) => withLiveText(deps, answers),
      }),
      thread: t.expose('thread', { type: Thread, description: 'The thread as it stands now.' }),
    }),
  });

/** What can stand in the way of a new answer. */
export const sendErrors = [
  errors.InvalidInputError,
  errors.NotPermittedError,
  errors.NotFoundError,
  errors.ModelUnavailableError,
  errors.ConflictError,
  errors.BusyError,
];

builder.mutationField('sendMessage', (t) =>
  t.field({
    type: SendMessagePayload,
    description:
      'Sends a message and begins an answer by each model. Returns as soon as all of it is saved; the server then writes the answers, whether anybody listens or not.',
    args: { input: t.arg({ type: SendMessageInput, required: true, description: 'The message.' }) },
    errors: { types: sendErrors },
    resolve: (_root, { input }, context) => sendMessage(context.deps, requireViewer(context), input),
  }),
);
