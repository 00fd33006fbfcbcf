import type { Viewer } from '../accounts/session.ts';
import { NotFoundError } from '../errors.ts';
import { findMessages, type Message } from '../threads/message.ts';
import { requireThread } from '../threads/thread.ts';
import { type EndDeps, endAnswer } from './end-answer.ts';

/**
 * Stops an answer that is being written, keeps its text, and returns it once that is saved; the provider's connection is
 * closed at once. An answer that has already ended is returned as it is.
 */
export async function stopAnswer(deps: EndDeps, viewer: Viewer, answerId: string): Promise<Message> {
  const [answer] = await findMessages(deps, viewer, [answerId]);
  if (answer === undefined || answer.role !== 'ASSISTANT') throw new NotFoundError('answer');
  await requireThread(deps, viewer, answer.threadId, 'chat');
  const live = deps.running.get(answer.id);
  if (live !== undefined) await endAnswer(deps, live, { type: 'finished', status: 'STOPPED' });
  const [stopped] = await findMessages(deps, viewer, [answerId]);
  if (stopped === undefined) throw new NotFoundError('answer');
  return stopped;
}
