import { withLiveText } from '../answers/live-text.ts';
import { sendMessage } from '../answers/send-message.ts';
import { Answer, sendErrors } from './answer.ts';
import { AnswerRequestInput } from './answer-options.ts';
import { UserMessage } from './message.ts';
import { mutation } from './mutation.ts';
import { rememberSent } from './sent-message.ts';
import { Thread } from './thread.ts';

mutation('sendMessage', {
  description:
    'Sends a message and begins an answer by each model. Returns as soon as all of them are saved; the server then writes the answers, whether a client follows them or not.',
  inputRule: 'Give either `modelIds` or `answers`.',
  input: (t) => ({
    threadId: t.id({ required: true, description: 'Id of the thread.' }),
    text: t.string({
      description:
        'Text of the message, up to 256 KiB of UTF-8. It may be empty or absent if there are files.',
    }),
    attachmentIds: t.idList({
      description:
        'Ids of up to 20 files of the workspace that are READY, in the order in which they are shown. Several messages may refer to one file.',
    }),
    modelIds: t.idList({
      description:
        'Ids of one to eight different models; each writes an answer of its own. Not together with `answers`.',
    }),
    answers: t.field({
      type: [AnswerRequestInput],
      description: 'One to eight answers to begin, each with its options. Not together with `modelIds`.',
    }),
    parentId: t.id({
      description:
        'Id of the message to reply to. If absent, the message replies to the newest answer to the newest question that has ended with some text, else to that question.',
    }),
    idempotencyKey: t.string({
      description:
        'Text that is new for each message, up to 200 characters. Sending the same input again with the same key returns the first message instead of a second; another input with it is a CONFLICT.',
    }),
  }),
  errors: sendErrors,
  run: async (deps, viewer, input, loaders) => {
    const sent = await sendMessage(deps, viewer, input);
    rememberSent(loaders, viewer, sent);
    return sent;
  },
  payload: (t) => ({
    userMessage: t.expose('userMessage', { type: UserMessage, description: 'The message that was sent.' }),
    answers: t.field({
      type: [Answer],
      description:
        'One answer for each of `modelIds` or `answers`, in their order. Follow them with `answerEvents` or `threadEvents`.',
      resolve: ({ answers }, _args, { deps }) => withLiveText(deps, answers),
    }),
    thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
  }),
});
