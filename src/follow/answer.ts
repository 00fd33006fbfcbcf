import type { Viewer } from '../accounts/session.ts';
import type { AnswerCursor, AnswerEvent, FollowedAnswer } from '../answers/followed-answer.ts';
import { findFollowed, type LiveTextDeps, withLiveText } from '../answers/live-text.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { DONE, Following, type Pollable, type Polled, polled } from '../pollable.ts';
import { findMessages } from '../threads/message.ts';
import { type AccessDeps, type AccessLost, AccessWatch, findFollowedThread } from './access-watch.ts';

type FollowDeps = AccessDeps & LiveTextDeps;

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
  const known = findFollowed(deps, input.answerId);
  if (known !== undefined) {
    const thread = await findFollowedThread(deps, viewer, known.threadId);
    if (thread === undefined) throw new NotFoundError('answer');
    return followFrom(deps, viewer, known, input);
  }

  // An answer of this server is in `running` until its end is saved, so one that was not there before this read has ended in the
  // database, or another server writes it.
  const load = () => findMessages(deps, viewer, [input.answerId]);
  const [found] = await deps.sharedReads.read(`${viewer.id} message ${input.answerId}`, load);
  if (found === undefined || found.role !== 'ASSISTANT') throw new NotFoundError('answer');
  const [answer] = await withLiveText(deps, [found]);
  if (answer === undefined) throw new NotFoundError('answer');
  if (answer.status === 'WRITING') return followFrom(deps, viewer, deps.remoteAnswers.follow(answer), input);
  const events: AnswerEvent[] = [{ type: 'ended', answer }];
  return new Following(() => ({
    take: () => {
      const event = events.pop();
      return event === undefined ? DONE : polled(event);
    },
    close: () => {},
  }));
}

function followFrom(
  deps: FollowDeps,
  viewer: Viewer,
  answer: FollowedAnswer,
  { offset, reasoningOffset }: { offset: number; reasoningOffset: number },
): Following<AnswerEvent | AccessLost> {
  return new Following((wake) => {
    const cursor = answer.read({ text: offset, reasoning: reasoningOffset }, wake);
    return new AnswerFollower(cursor, new AccessWatch(deps, viewer, answer.threadId, wake));
  });
}

type Step = Polled<AnswerEvent | AccessLost>;

class AnswerFollower implements Pollable<AnswerEvent | AccessLost> {
  readonly #cursor: AnswerCursor;
  readonly #access: AccessWatch;
  #hasEnded = false;

  constructor(cursor: AnswerCursor, access: AccessWatch) {
    this.#cursor = cursor;
    this.#access = access;
  }

  take(): Step | Promise<Step> {
    if (this.#hasEnded) return DONE;
    return this.#access.isCurrent() ? this.#takeFromCursor() : this.#reload();
  }

  close(): void {
    this.#access.close();
    this.#cursor.close();
  }

  /** A cursor that is done without an end had an answer that is deleted, unless the server is being closed. */
  #takeFromCursor(): Step | Promise<Step> {
    const step = this.#cursor.take();
    if (step.type === 'done') return this.#confirmGone();
    this.#hasEnded = step.type === 'event' && step.event.type === 'ended';
    return step;
  }

  async #confirmGone(): Promise<Step> {
    this.#hasEnded = true;
    this.#access.doubt();
    return (await this.#access.reload()) === undefined ? LOST : DONE;
  }

  async #reload(): Promise<Step> {
    if ((await this.#access.reload()) !== undefined) return await this.#takeFromCursor();
    this.#hasEnded = true;
    return LOST;
  }
}

const LOST: Step = polled({ type: 'access-lost', error: new NotFoundError('answer') });

function checkOffset(path: string, offset: number): void {
  if (offset >= 0) return;
  throw new InvalidInputError(path, `${path} is the length of the text you have; it cannot be negative.`);
}
