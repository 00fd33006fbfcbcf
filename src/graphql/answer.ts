import { regenerateAnswer } from '../answers/regenerate-answer.ts';
import { stopAnswer } from '../answers/stop-answer.ts';
import { NotFoundError, NotPermittedError } from '../errors.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { Message } from './message.ts';
import { sendErrors } from './send-message.ts';

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
