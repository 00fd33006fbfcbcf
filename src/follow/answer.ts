import type { Viewer } from '../accounts/session.ts';
import type { AnswerCursor, AnswerEvent } from '../answers/live-answer.ts';
import type { RunningAnswers } from '../answers/running.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { DONE, Following, type Pollable, type Polled, polled } from '../pollable.ts';
import { findMessages } from '../threads/message.ts';
import { type AccessDeps, type AccessLost, AccessWatch, findFollowedThread } from './access-watch.ts';

interface FollowDeps extends AccessDeps {
  running: RunningAnswers;
}

/**
 * Follows one answer from the given offsets to its end. For an answer that has ended the only event is its end, with the
 * whole text. Ends with AccessLost when the thread is deleted, or when the viewer may not see it any more.
 */
export async function answerEvents(
  deps: FollowDeps,
  viewer: Viewer,
  input: { answerId: string; offset: number; reasoningOffset: number },
): Promise<Following<AnswerEvent | AccessLost>> {
  checkOffset('offset', input.offset);
  checkOffset('reasoningOffset', input.reasoningOffset);
  const live = deps.running.get(input.answerId);
  if (live !== undefined) {
    const thread = await findFollowedThread(deps, viewer, live.threadId);
    if (thread === undefined) throw new NotFoundError('answer');
    return new Following((wake) => {
      const cursor = live.read({ text: input.offset, reasoning: input.reasoningOffset }, wake);
      return new AnswerFollower(cursor, new AccessWatch(deps, viewer, live.threadId, wake));
    });
  }

  // An answer is in `running` until its end is saved, so one that was not there before this read has ended in the database.
  const load = () => findMessages(deps, viewer, [input.answerId]);
  const [answer] = await deps.sharedReads.read(`${viewer.id} message ${input.answerId}`, load);
  if (answer === undefined || answer.role !== 'ASSISTANT') throw new NotFoundError('answer');
  if (answer.status === 'WRITING') throw new Error('an answer is being written, but not by this process');
  const events: AnswerEvent[] = [{ type: 'ended', answer }];
  return new Following(() => ({
    take: () => {
      const event = events.pop();
      return event === undefined ? DONE : polled(event);
    },
    close: () => {},
  }));
}

type Step = Polled<AnswerEvent | AccessLost>;

class AnswerFollower implements Pollable<AnswerEvent | AccessLost> {
  readonly #cursor: AnswerCursor;
  readonly #access: AccessWatch;
  #hasLostAccess = false;

  constructor(cursor: AnswerCursor, access: AccessWatch) {
    this.#cursor = cursor;
    this.#access = access;
  }

  take(): Step | Promise<Step> {
    if (this.#hasLostAccess) return DONE;
    return this.#access.isCurrent() ? this.#cursor.take() : this.#reload();
  }

  close(): void {
    this.#access.close();
    this.#cursor.close();
  }

  async #reload(): Promise<Step> {
    if ((await this.#access.reload()) !== undefined) return this.#cursor.take();
    this.#hasLostAccess = true;
    return polled({ type: 'access-lost', error: new NotFoundError('answer') });
  }
}

function checkOffset(path: string, offset: number): void {
  if (offset >= 0) return;
  throw new InvalidInputError(path, `${path} is the length of the text you have; it cannot be negative.`);
}
