import type { Viewer } from '../accounts/session.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { checkOptions, type GivenOptions } from '../models/answer-options.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { announceThread, requireThread } from '../threads/thread.ts';
import { beginAnswers } from './begin-answers.ts';
import type { AnswerDeps } from './commit-answers.ts';

/**
 * Begins another answer to the same message, by the same model or another, with the same options as far as the model takes them
 * and others are not given. The first one stays: they become siblings.
 */
export async function regenerateAnswer(
  deps: AnswerDeps,
  viewer: Viewer,
  input: {
    answerId: string;
    modelId?: string | null | undefined;
    options?: GivenOptions | null | undefined;
  },
): Promise<Message> {
  const options = checkOptions('options', input.options ?? {});
  const [original] = await findMessages(deps, viewer, [input.answerId]);
  if (original === undefined || original.role !== 'ASSISTANT') throw new NotFoundError('answer');
  const modelId = input.modelId ?? original.modelId;
  const { threadId, parentId } = original;
  if (modelId === null || parentId === null) {
    await requireThread(deps, viewer, threadId, 'chat');
    throw new ConflictError('What this answer replied to is gone. Send a new message instead.');
  }
  const answers = [{ modelId, options, repeats: original, path: { modelId: 'modelId', options: 'options' } }];
  const request = { threadId, parentId, answers, idempotencyKey: null, message: null };
  const begun = await beginAnswers(deps, viewer, request);
  const [answer] = begun.type === 'begun' ? begun.answers : [];
  if (begun.type === 'repeated' || answer === undefined) throw new Error('an answer did not begin');
  announceThread(deps.changes, begun.thread, [answer.id]);
  return answer;
}
