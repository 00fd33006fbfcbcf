import type { Viewer } from '../accounts/session.ts';
import type { AnswerEvent, AnswerReader } from '../answers/live-answer.ts';
import { withLiveText } from '../answers/live-text.ts';
import type { RunningAnswers } from '../answers/running.ts';
import type { ChangeListener } from '../changes.ts';
import {
  existingIds,
  MESSAGES_AT_ONCE,
  type Message,
  messagesAfter,
  newestPosition,
  writingMessages,
} from '../threads/message.ts';
import { requireThread, type Thread } from '../threads/thread.ts';
import { type PullSource, pull } from './pull.ts';
import { Sight, type SightDeps } from './sight.ts';

/** What the followers of a thread are told. */
export type ThreadEvent =
  | { type: 'snapshot'; thread: Thread; writing: Message[] }
  | { type: 'message-added'; message: Message }
  | { type: 'message-removed'; messageId: string; thread: Thread }
  | { type: 'thread-updated'; thread: Thread }
  | { type: 'thread-removed'; threadId: string }
  | AnswerEvent;

interface FollowDeps extends SightDeps {
  running: RunningAnswers;
}

/** Follows a thread: first how it stands, then every message, delta and change. Ends when the thread is gone. */
export async function threadEvents(
  deps: FollowDeps,
  viewer: Viewer,
  threadId: string,
): Promise<AsyncIterableIterator<ThreadEvent>> {
  const load = () => requireThread(deps, viewer, threadId, 'read');
  const thread = await deps.sharedReads.read(`${viewer.id} requires thread ${threadId}`, load);
  return pull((wake) => new ThreadFollower(deps, viewer, thread.id, wake));
}

class ThreadFollower implements PullSource<ThreadEvent> {
  readonly #deps: FollowDeps;
  readonly #threadId: string;
  readonly #wake: () => void;
  readonly #changes: ChangeListener;
  readonly #sight: Sight;
  readonly #readers = new Map<string, AnswerReader>();
  /** Events of the last look at the database that have not been taken yet. */
  #pending: ThreadEvent[] = [];
  #lastPosition: number | undefined;
  /** Whether there may be more messages than the last look has read. */
  #isBehind = false;
  #isGone = false;
  #isClosed = false;

  constructor(deps: FollowDeps, viewer: Viewer, threadId: string, wake: () => void) {
    this.#deps = deps;
    this.#threadId = threadId;
    this.#wake = wake;
    this.#changes = deps.changes.listen(threadId, wake);
    this.#sight = new Sight(deps, viewer, threadId, wake);
  }

  take(): ThreadEvent | null | undefined | Promise<ThreadEvent | null | undefined> {
    if (this.#isGone) return undefined;
    if (this.#lastPosition === undefined) return this.#snapshot();
    const hasNews = this.#isBehind || this.#changes.isDirty;
    if (this.#pending.length === 0 && hasNews) return this.#look();
    return this.#sight.mayTell() ? this.#takeKnown() : this.#lookAgain();
  }

  close(): void {
    this.#isClosed = true;
    this.#changes.close();
    this.#sight.close();
    for (const reader of this.#readers.values()) reader.close();
  }

  async #snapshot(): Promise<ThreadEvent | undefined> {
    const thread = await this.#sight.look();
    if (thread === undefined) return this.#gone();
    const newest = await this.#read('newest', () => newestPosition(this.#deps, this.#threadId));
    this.#lastPosition = newest;
    const writing = await this.#read('writing', () => writingMessages(this.#deps, this.#threadId));
    // One that began since then is told as added.
    const begun = writing.filter((message) => message.position <= newest);
    return { type: 'snapshot', thread, writing: await this.#follow(begun) };
  }

  /** Finds out what happened to the things that changed. */
  async #look(): Promise<ThreadEvent | null | undefined> {
    const dirty = this.#changes.take();
    const thread = await this.#sight.look();
    if (thread === undefined) return this.#gone();
    const messageIds = dirty.filter((id) => id !== this.#threadId);
    const existing = await this.#read(`exist ${messageIds}`, () => existingIds(this.#deps, messageIds));
    for (const messageId of messageIds)
      if (!existing.has(messageId)) this.#pending.push({ type: 'message-removed', messageId, thread });

    // By position and not by what was announced: announcements of two sends may come in either order.
    const after = this.#lastPosition ?? 0;
    const added = await this.#read(`after ${after}`, () => messagesAfter(this.#deps, this.#threadId, after));
    this.#lastPosition = added.at(-1)?.position ?? this.#lastPosition;
    this.#isBehind = added.length === MESSAGES_AT_ONCE;
    for (const message of await this.#follow(added)) this.#pending.push({ type: 'message-added', message });
    if (dirty.includes(this.#threadId)) this.#pending.push({ type: 'thread-updated', thread });
    // What woke us may have been an answer's end and its announcement together: then there is more than this look found.
    return this.#takeKnown();
  }

  /** Reads of the thread, which whoever may see it may share. */
  #read<Result>(name: string, load: () => Promise<Result>): Promise<Result> {
    return this.#deps.sharedReads.read(`of thread ${this.#threadId} ${name}`, load);
  }

  /** Finds out whether the viewer may be told what is known already. */
  async #lookAgain(): Promise<ThreadEvent | null | undefined> {
    return (await this.#sight.look()) === undefined ? this.#gone() : this.#takeKnown();
  }

  #takeKnown(): ThreadEvent | null {
    return this.#pending.shift() ?? this.#takeFromReaders();
  }

  /** Reads on from the text that these messages are told with. */
  async #follow(messages: readonly Message[]): Promise<Message[]> {
    const current = await withLiveText(this.#deps, messages);
    // Whoever left during the look has closed the readers there were; no new one may begin.
    if (this.#isClosed) return [];
    return current.map((message) => {
      const live = message.status === 'WRITING' ? this.#deps.running.get(message.id) : undefined;
      if (live === undefined) return message;
      const { text, reasoning } = message;
      this.#readers.set(
        message.id,
        live.read({ text: text.length, reasoning: reasoning.length }, this.#wake),
      );
      return message;
    });
  }

  #takeFromReaders(): AnswerEvent | null {
    for (const [messageId, reader] of this.#readers) {
      const event = reader.take();
      if (event === null) continue;
      // Whoever was served goes to the end of the line, so that no answer of a comparison starves the others.
      this.#readers.delete(messageId);
      if (event === undefined) {
        reader.close();
        continue;
      }
      this.#readers.set(messageId, reader);
      return event;
    }
    return null;
  }

  #gone(): ThreadEvent {
    this.#isGone = true;
    return { type: 'thread-removed', threadId: this.#threadId };
  }
}
