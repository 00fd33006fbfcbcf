import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { findMessages } from '../threads/message.ts';
import { findThreads } from '../threads/thread.ts';
import type { AnswerEvent } from './live-answer.ts';
import { pull } from './pull.ts';
import type { RunningAnswers } from './running.ts';

/**
 * Follows one answer from the given offsets to its end. An answer that has ended gives just that: its final message holds
 * all of the text.
 */
export async function answerEvents(
  deps: { db: Database; running: RunningAnswers },
  viewer: Viewer,
  input: { messageId: string; offset: number; reasoningOffset: number },
): Promise<AsyncIterableIterator<AnswerEvent>> {
  checkOffset('offset', input.offset);
  checkOffset('reasoningOffset', input.reasoningOffset);
  const live = deps.running.get(input.messageId);
  if (live !== undefined) {
    const [thread] = await findThreads(deps, viewer, [live.threadId]);
    if (thread === undefined) throw new NotFoundError('answer');
    return pull((wake) => live.read({ text: input.offset, reasoning: input.reasoningOffset }, wake));
  }

  // An answer runs until its end is saved, so one that did not run before the database is asked has ended there.
  const [message] = await findMessages(deps, viewer, [input.messageId]);
  if (message === undefined || message.role !== 'ASSISTANT') throw new NotFoundError('answer');
  if (message.status === 'WRITING') throw new Error('an answer is being written, but not by this process');
  const events: AnswerEvent[] = [{ type: 'ended', message }];
  return pull(() => ({ take: () => events.pop(), close: () => {} }));
}

function checkOffset(path: string, offset: number): void {
  if (offset >= 0) return;
  throw new InvalidInputError([
    { path, message: `${path} is the length of the text you have; it cannot be negative.` },
  ]);
}
