import type { Viewer } from '../accounts/session.ts';
import type { AnswerEvent, AnswerReader } from '../answers/live-answer.ts';
import type { RunningAnswers } from '../answers/running.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { findMessages } from '../threads/message.ts';
import { type PullSource, pull } from './pull.ts';
import { findFollowedThread, type Gone, Sight, type SightDeps } from './sight.ts';

interface FollowDeps extends SightDeps {
  running: RunningAnswers;
}

/**
 * Follows one answer from the given offsets to its end. An answer that has ended gives just that: its final message holds
 * all of the text. Ends as gone when the thread is, or when the viewer may not see it any more.
 */
export async function answerEvents(
  deps: FollowDeps,
  viewer: Viewer,
  input: { messageId: string; offset: number; reasoningOffset: number },
): Promise<AsyncIterableIterator<AnswerEvent | Gone>> {
  checkOffset('offset', input.offset);
  checkOffset('reasoningOffset', input.reasoningOffset);
  const live = deps.running.get(input.messageId);
  if (live !== undefined) {
    const thread = await findFollowedThread(deps, viewer, live.threadId);
    if (thread === undefined) throw new NotFoundError('answer');
    return pull((wake) => {
      const reader = live.read({ text: input.offset, reasoning: input.reasoningOffset }, wake);
      return new AnswerFollower(reader, new Sight(deps, viewer, live.threadId, wake));
    });
  }

  // An answer runs until its end is saved, so one that did not run before the database is asked has ended there.
  const load = () => findMessages(deps, viewer, [input.messageId]);
  const [message] = await deps.sharedReads.read(`${viewer.id} message ${input.messageId}`, load);
  if (message === undefined || message.role !== 'ASSISTANT') throw new NotFoundError('answer');
  if (message.status === 'WRITING') throw new Error('an answer is being written, but not by this process');
  const events: AnswerEvent[] = [{ type: 'ended', message }];
  return pull(() => ({ take: () => events.pop(), close: () => {} }));
}

type Taken = AnswerEvent | Gone | null | undefined;

class AnswerFollower implements PullSource<AnswerEvent | Gone> {
  readonly #reader: AnswerReader;
  readonly #sight: Sight;
  #isGone = false;

  constructor(reader: AnswerReader, sight: Sight) {
    this.#reader = reader;
    this.#sight = sight;
  }

  take(): Taken | Promise<Taken> {
    if (this.#isGone) return undefined;
    return this.#sight.mayTell() ? this.#reader.take() : this.#look();
  }

  close(): void {
    this.#sight.close();
    this.#reader.close();
  }

  async #look(): Promise<Taken> {
    if ((await this.#sight.look()) !== undefined) return this.#reader.take();
    this.#isGone = true;
    return { type: 'gone', error: new NotFoundError('answer') };
  }
}

function checkOffset(path: string, offset: number): void {
  if (offset >= 0) return;
  throw new InvalidInputError([
    { path, message: `${path} is the length of the text you have; it cannot be negative.` },
  ]);
}
