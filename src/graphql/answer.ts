import { regenerateAnswer } from '../answers/regenerate-answer.ts';
import { stopAnswer } from '../answers/stop-answer.ts';
import { NotFoundError, NotPermittedError } from '../errors.ts';
import { Message } from './message.ts';
import { mutation } from './mutation.ts';
import { sendErrors } from './send-message.ts';

mutation('stopAnswer', {
  description:
    'Stops an answer and keeps its text; the provider’s connection is closed at once. Returns once the text is saved. An answer that has already ended is returned as it is.',
  input: (t) => ({ messageId: t.id({ required: true, description: 'Id of the answer.' }) }),
  errors: [NotPermittedError, NotFoundError],
  run: async (deps, viewer, { messageId }) => ({ message: await stopAnswer(deps, viewer, messageId) }),
  payload: (t) => ({
    message: t.expose('message', { type: Message, description: 'The answer as it was saved.' }),
  }),
});

mutation('regenerateAnswer', {
  description: 'Begins another answer to the same message. The first one stays as it is.',
  input: (t) => ({
    messageId: t.id({ required: true, description: 'Id of the answer.' }),
    modelId: t.id({ description: 'Id of another model to ask; the same one if absent.' }),
  }),
  errors: sendErrors,
  run: async (deps, viewer, input) => ({ answer: await regenerateAnswer(deps, viewer, input) }),
  payload: (t) => ({
    answer: t.expose('answer', { type: Message, description: 'The new answer, a sibling of the first.' }),
  }),
});
