import { eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { threads } from '../db/tables/thread.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { announceThread, requireThread } from '../threads/thread.ts';
import { type AnswerDeps, beginAnswers, prepareAnswers } from './begin-answers.ts';
import { commitAnswers } from './commit-answers.ts';

/** Begins another answer to the same message, by the same model or another. The first one stays: they become siblings. */
export async function regenerateAnswer(
  deps: AnswerDeps,
  viewer: Viewer,
  input: { messageId: string; modelId?: string | null | undefined },
): Promise<Message> {
  const [original] = await findMessages(deps, viewer, [input.messageId]);
  if (original === undefined || original.role !== 'ASSISTANT') throw new NotFoundError('answer');
  const thread = await requireThread(deps, viewer, original.threadId, 'chat');
  const modelId = input.modelId ?? original.modelId;
  const parentId = original.parentId;
  if (modelId === null || parentId === null)
    throw new ConflictError('What this answer replied to is gone. Send a new message instead.');

  const prepared = await prepareAnswers(deps, viewer, thread, [modelId]);
  deps.running.add(
    viewer.id,
    prepared.map(({ live }) => live),
  );
  const replyTo = { threadId: thread.id, parentId };
  const [answer] = await commitAnswers(deps, replyTo, prepared, async (tx) => {
    const [counted] = await tx
      .update(threads)
      .set({ revision: sql`${threads.revision} + 1`, lastPosition: sql`${threads.lastPosition} + 1` })
      .where(eq(threads.id, thread.id))
      .returning({ lastPosition: threads.lastPosition });
    if (counted === undefined) throw new NotFoundError('thread');
    const place = { ...replyTo, firstPosition: counted.lastPosition };
    return await beginAnswers(tx, deps, viewer, place, prepared);
  });
  if (answer === undefined) throw new Error('an inserted answer was not returned');
  announceThread(deps.changes, thread, [answer.id]);
  return answer;
}
