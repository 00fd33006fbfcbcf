import type { Viewer } from '../accounts/session.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { reservePositions } from '../threads/positions.ts';
import { requireSiblingLimit } from '../threads/siblings.ts';
import { announceThread, requireThread } from '../threads/thread.ts';
import { type AnswerDeps, beginAnswers, prepareAnswers } from './begin-answers.ts';
import { commitAnswers } from './commit-answers.ts';

/** Begins another answer to the same message, by the same model or another. The first one stays: they become siblings. */
export async function regenerateAnswer(
  deps: AnswerDeps,
  viewer: Viewer,
  input: { answerId: string; modelId?: string | null | undefined },
): Promise<Message> {
  const [original] = await findMessages(deps, viewer, [input.answerId]);
  if (original === undefined || original.role !== 'ASSISTANT') throw new NotFoundError('answer');
  const found = await requireThread(deps, viewer, original.threadId, 'chat');
  const modelId = input.modelId ?? original.modelId;
  const parentId = original.parentId;
  if (modelId === null || parentId === null)
    throw new ConflictError('What this answer replied to is gone. Send a new message instead.');

  const prepared = await prepareAnswers(deps, viewer, found, [modelId]);
  const question = { thread: found, leafId: parentId, text: null };
  const { answers, thread } = await commitAnswers(deps, viewer, question, prepared, async (tx) => {
    const room = await reservePositions(tx, viewer, found.id, 1);
    const begun = await beginAnswers(tx, deps, viewer, { ...room, parentId }, prepared);
    await requireSiblingLimit(tx, original);
    return { ...room, ...begun };
  });
  const [answer] = answers;
  if (answer === undefined) throw new Error('an inserted answer was not returned');
  announceThread(deps.changes, thread, [answer.id]);
  return answer;
}
