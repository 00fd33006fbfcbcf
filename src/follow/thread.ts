import type { Viewer } from '../accounts/session.ts';
import { connectAhead } from '../answers/connect-ahead.ts';
import type { AnswerCursor, AnswerEvent } from '../answers/followed-answer.ts';
import { type LiveTextDeps, withLiveText } from '../answers/live-text.ts';
import type { ChangeListener } from '../changes.ts';
import { NotFoundError } from '../errors.ts';
import { DONE, Following, IDLE, type Pollable, type Polled, polled } from '../pollable.ts';
import type { Providers } from '../providers/registry.ts';
import {
  existingIds,
  MESSAGES_AT_ONCE,
  type Message,
  messagesAfter,
  writingMessages,
} from '../threads/message.ts';
import type { Thread } from '../threads/thread.ts';
import { type AccessDeps, AccessWatch, findFollowedThread } from './access-watch.ts';
import type { SharedReads } from './shared-reads.ts';

/** What the followers of a thread are sent. */
export type ThreadEvent =
  | { type: 'snapshot'; thread: Thread; writing: Message[] }
  | { type: 'message-added'; message: Message }
  | { type: 'message-removed'; removedId: string; thread: Thread }
  | { type: 'thread-updated'; thread: Thread }
  | { type: 'thread-removed'; removedId: string }
  | AnswerEvent;

interface FollowDeps extends AccessDeps, LiveTextDeps {
  providers: Providers;
  track(work: Promise<void>): void;
}

/** Follows a thread: first a snapshot, then every message, delta and change. Ends when the thread is deleted. */
export async function threadEvents(
  deps: FollowDeps,
  viewer: Viewer,
  threadId: string,
): Promise<Following<ThreadEvent>> {
  const thread = await findFollowedThread(deps, viewer, threadId);
  if (thread === undefined) throw new NotFoundError('thread');
  return new Following((wake) => new ThreadFollower(deps, viewer, thread.id, wake));
}

/** Shares the messages that were just added to a thread, so that its followers need not read them. */
export function rememberAdded(sharedReads: SharedReads, threadId: string, added: readonly Message[]): void {
  const [first] = added;
  if (first === undefined) return;
  const ids = added.map(({ id }) => id);
  sharedReads.put(nameOf(threadId, `exist ${ids}`), new Set(ids), [threadId]);
  sharedReads.put(nameOf(threadId, `after ${first.position - 1}`), added, [threadId]);
}

function nameOf(threadId: string, read: string): string {
  return `of thread ${threadId} ${read}`;
}

type Step = Polled<ThreadEvent>;

class ThreadFollower implements Pollable<ThreadEvent> {
  readonly #deps: FollowDeps;
  readonly #threadId: string;
  readonly #wake: () => void;
  readonly #changes: ChangeListener;
  readonly #access: AccessWatch;
  readonly #endLooks: () => void;
  readonly #cursors = new Map<string, AnswerCursor>();
  /** Events of the last reload that have not been taken yet. */
  #pending: ThreadEvent[] = [];
  #lastPosition: number | undefined;
  /** Whether there may be more messages than the last reload has read. */
  #isBehind = false;
  #hasLostAccess = false;
  #isClosed = false;

  constructor(deps: FollowDeps, viewer: Viewer, threadId: string, wake: () => void) {
    this.#deps = deps;
    this.#threadId = threadId;
    this.#wake = wake;
    this.#changes = deps.changes.listen(threadId, wake);
    this.#access = new AccessWatch(deps, viewer, threadId, wake);
    this.#endLooks = deps.changeLooks.watchThread(threadId, () => this.#access.revision);
  }

  take(): Step | Promise<Step> {
    if (this.#hasLostAccess) return DONE;
    if (this.#lastPosition === undefined) return this.#snapshot();
    const hasPending = this.#isBehind || this.#changes.isDirty;
    if (this.#pending.length === 0 && hasPending) return this.#readChanges();
    return this.#access.isCurrent() ? this.#takeFromMemory() : this.#reloadAccess();
  }

  close(): void {
    this.#isClosed = true;
    this.#endLooks();
    this.#changes.close();
    this.#access.close();
    for (const cursor of this.#cursors.values()) cursor.close();
  }

  async #snapshot(): Promise<Step> {
    const thread = await this.#access.reload();
    if (thread === undefined) return this.#loseAccess();
    const newest = thread.lastPosition;
    this.#lastPosition = newest;
    const writing = await this.#read('writing', () => writingMessages(this.#deps, this.#threadId));
    // A message that began since then is sent as added.
    const begun = writing.filter((message) => message.position <= newest);
    this.#connectAhead();
    const followed = await this.#follow(begun);
    // One that has ended since it was read has no cursor that would send its end.
    for (const answer of followed)
      if (answer.status !== 'WRITING') this.#pending.push({ type: 'ended', answer });
    return polled({
      type: 'snapshot',
      thread,
      writing: followed.filter(({ status }) => status === 'WRITING'),
    });
  }

  /** Once for all of the viewer's followers; none of them waits for it. */
  #connectAhead(): void {
    const { viewer } = this.#access;
    const connected = this.#read(`connect for ${viewer.id}`, () =>
      connectAhead(this.#deps, viewer, this.#threadId),
    );
    this.#deps.track(connected);
  }

  /** Reads the changes that were announced. */
  async #readChanges(): Promise<Step> {
    const dirty = this.#changes.take();
    const thread = await this.#access.reload();
    if (thread === undefined) return this.#loseAccess();
    const messageIds = dirty.filter((id) => id !== this.#threadId);
    const existing = await this.#read(`exist ${messageIds}`, () => existingIds(this.#deps, messageIds));
    for (const removedId of messageIds)
      if (!existing.has(removedId)) this.#pending.push({ type: 'message-removed', removedId, thread });

    // Added messages are read by position, since announcements of two sends may arrive in either order.
    const after = this.#lastPosition ?? 0;
    const added = await this.#read(`after ${after}`, () => messagesAfter(this.#deps, this.#threadId, after));
    this.#lastPosition = added.at(-1)?.position ?? this.#lastPosition;
    this.#isBehind = added.length === MESSAGES_AT_ONCE;
    for (const message of await this.#follow(added)) this.#pending.push({ type: 'message-added', message });
    if (dirty.includes(this.#threadId)) this.#pending.push({ type: 'thread-updated', thread });
    // An answer's end may have come together with its announcement, so the cursors may have more than this reload found.
    return this.#takeFromMemory();
  }

  /** A read that is the same for all viewers of the thread. */
  #read<Result>(name: string, load: () => Promise<Result>): Promise<Result> {
    const topics = [this.#threadId];
    return this.#deps.sharedReads.read(nameOf(this.#threadId, name), load, { topics });
  }

  /** Reloads the access, then takes the next event in memory. */
  async #reloadAccess(): Promise<Step> {
    return (await this.#access.reload()) === undefined ? this.#loseAccess() : this.#takeFromMemory();
  }

  #takeFromMemory(): Step {
    const event = this.#pending.shift();
    return event === undefined ? this.#takeFromCursors() : polled(event);
  }

  /** Opens a cursor for each message that is being written, at the end of the text it is sent with. */
  async #follow(messages: readonly Message[]): Promise<Message[]> {
    const current = await withLiveText(this.#deps, messages);
    // After `close` during the reload no new cursor may be opened, since none would be closed.
    if (this.#isClosed) return [];
    return current.map((message) => {
      if (message.status !== 'WRITING') return message;
      const { id, text, reasoning } = message;
      const answer = this.#deps.running.get(id) ?? this.#deps.remoteAnswers.follow(message);
      this.#cursors.set(id, answer.read({ text: text.length, reasoning: reasoning.length }, this.#wake));
      return message;
    });
  }

  #takeFromCursors(): Step {
    for (const [answerId, cursor] of this.#cursors) {
      const step = cursor.take();
      if (step.type === 'idle') continue;
      if (step.type === 'done') {
        this.#cursors.delete(answerId);
        cursor.close();
        continue;
      }
      // The answer that was read goes to the end of the queue, so that no answer of a comparison starves the others.
      if (this.#cursors.size > 1) {
        this.#cursors.delete(answerId);
        this.#cursors.set(answerId, cursor);
      }
      return step;
    }
    return IDLE;
  }

  #loseAccess(): Step {
    this.#hasLostAccess = true;
    return polled({ type: 'thread-removed', removedId: this.#threadId });
  }
}
