import type { Viewer } from '../accounts/session.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { announceThread, requireThread } from '../threads/thread.ts';
import { beginAnswers } from './begin-answers.ts';
import type { AnswerDeps } from './commit-answers.ts';

/** Begins another answer to the same message, by the same model or another. The first one stays: they become siblings. */
export async function regenerateAnswer(
  deps: AnswerDeps,
  viewer: Viewer,
  input: { answerId: string; modelId?: string | null | undefined },
): Promise<Message> {
  const [original] = await findMessages(deps, viewer, [input.answerId]);
  if (original === undefined || original.role !== 'ASSISTANT') throw new NotFoundError('answer');
  const modelId = input.modelId ?? original.modelId;
  const { threadId, parentId } = original;
  if (modelId === null || parentId === null) {
    await requireThread(deps, viewer, threadId, 'chat');
    throw new ConflictError('What this answer replied to is gone. Send a new message instead.');
  }
  const request = { threadId, parentId, modelIds: [modelId], idempotencyKey: null, message: null };
  const begun = await beginAnswers(deps, viewer, request);
  const [answer] = begun.type === 'begun' ? begun.answers : [];
  if (begun.type === 'repeated' || answer === undefined) throw new Error('an answer did not begin');
  announceThread(deps.changes, begun.thread, [answer.id]);
  return answer;
}
