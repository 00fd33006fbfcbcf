import type { Viewer } from '../accounts/session.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { type IdPrefix, prefixOf } from '../db/id.ts';
import { NotFoundError } from '../errors.ts';
import { DONE, Following, IDLE, type Pollable, type Polled, polled } from '../pollable.ts';
import { ownThreadsTopic, readThreadTime, type Thread } from '../threads/thread.ts';
import { memberRoles } from '../workspaces/member.ts';
import { findWorkspaces, requireWorkspace, type Workspace } from '../workspaces/workspace.ts';
import { type AccessLost, CHECK_AFTER_MS } from './access-watch.ts';
import type { ChangeLooks } from './change-looks.ts';
import { afterEvent, type ClientView, changedUploads, differing, readClientView } from './client-view.ts';
import { factsIn, findModelNews } from './model-news.ts';
import type { CachedModelView, Fingerprints, ModelFacts, ModelViewCache } from './model-view-cache.ts';
import type { SharedReads } from './shared-reads.ts';
import { readChangedModels, readWorkspaceEvent, type WorkspaceEvent } from './workspace-event.ts';

interface FollowDeps {
  db: Database;
  changes: Changes;
  modelViewCache: ModelViewCache;
  sharedReads: SharedReads;
  changeLooks: ChangeLooks;
}

/**
 * Follows a workspace: first a snapshot, then every change of its keys, models, threads, members and files that the viewer
 * may see, each in its current state. Ends with AccessLost when the viewer is no longer in it.
 */
export async function workspaceEvents(
  deps: FollowDeps,
  viewer: Viewer,
  workspaceId: string,
): Promise<Following<WorkspaceEvent | AccessLost>> {
  const load = () => requireWorkspace(deps, viewer, workspaceId, 'read');
  const workspace = await deps.sharedReads.read(`${viewer.id} requires workspace ${workspaceId}`, load);
  return new Following((wake) => new WorkspaceFollower(deps, viewer, workspace, wake));
}

type Step = Polled<WorkspaceEvent | AccessLost>;

/**
 * Keeps fingerprints of what was sent and the ids that are pending. Each is read, with the viewer's rights in the query, only
 * when it is taken: so nothing queues for a slow reader, and no viewer is sent what they may not see any more.
 */
class WorkspaceFollower implements Pollable<WorkspaceEvent | AccessLost> {
  readonly #deps: FollowDeps;
  readonly #viewer: Viewer;
  readonly #workspaceId: string;
  readonly #wake: () => void;
  readonly #changes: ChangeListener;
  readonly #shared: CachedModelView;
  readonly #endLooks: () => void;
  #view: ClientView | undefined;
  /** When the viewer was last found to be in the workspace. */
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  /** Threads that appeared after this are new to the client, until they are sent as added. */
  #threadsSince = new Date(0);
  readonly #addedThreadIds = new Set<string>();
  /** The revisions in which threads were last sent. */
  readonly #sentRevisions = new Map<string, number>();
  /** Ids to send, and whether the client was not sent them before. */
  readonly #pending = new Map<string, { isNew: boolean }>();
  /** Models that changed, as the client was last sent them; null for those that it does not have. */
  #pendingModels = new Map<string, ModelFacts | null>();
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  /** Shared reads that began before this, on the monotonic clock, are stale: a timer may have gone off since. */
  #notBeforeMs = 0;
  #hasLostAccess = false;
  #isClosed = false;

  constructor(deps: FollowDeps, viewer: Viewer, workspace: Workspace, wake: () => void) {
    this.#deps = deps;
    this.#viewer = viewer;
    this.#workspaceId = workspace.id;
    this.#wake = wake;
    const topics = [workspace.id, ownThreadsTopic(workspace.id, viewer.id), viewer.id];
    if (workspace.teamId !== null) topics.push(workspace.teamId);
    this.#changes = deps.changes.listen(topics, wake);
    this.#shared = deps.modelViewCache.follow(workspace.id);
    this.#endLooks = deps.changeLooks.watchWorkspace(workspace.id);
  }

  take(): Step | Promise<Step> {
    if (this.#hasLostAccess) return DONE;
    const hasPending = this.#pending.size + this.#pendingModels.size > 0;
    const mustCompare = this.#view === undefined || this.#isDue || this.#changes.isDirty;
    return mustCompare ? this.#readChanges() : hasPending ? this.#readNext() : IDLE;
  }

  close(): void {
    this.#isClosed = true;
    this.#changes.close();
    this.#shared.close();
    this.#endLooks();
    clearTimeout(this.#timer);
  }

  /** Reads only what may have changed, since a busy workspace with many followers calls this often. */
  async #readChanges(): Promise<Step> {
    const changed = Map.groupBy(this.#changes.take(), prefixOf);
    for (const prefix of READ_ONE_BY_ONE)
      for (const id of changed.get(prefix) ?? []) this.#pending.set(id, { isNew: false });
    const isOther = (prefix: IdPrefix | undefined) => prefix !== 'usr' && !isReadAlone(prefix);
    const before = this.#view;
    let step: Step = IDLE;
    if (before === undefined || this.#isDue || changed.keys().some(isOther))
      step = await this.#compare(before);
    else if (changed.has('usr')) step = await this.#compareMembers(before);
    return step.type === 'idle' ? await this.#readNext() : step;
  }

  /** Compares the current state with what was sent. Returns the snapshot at first. */
  async #compare(before: ClientView | undefined): Promise<Step> {
    this.#isDue = false;
    const workspace = await this.#findWorkspace();
    if (workspace === undefined) return this.#loseAccess();
    const now = await this.#read('view', () =>
      readClientView(this.#deps, this.#viewer, workspace, { known: before, shared: this.#shared }),
    );
    this.#view = now;
    this.#compareAgainBy(now.changesAt);
    if (before === undefined) {
      this.#threadsSince = await this.#read('time', () => readThreadTime(this.#deps, workspace));
      return polled({ type: 'workspace-snapshot', workspace });
    }
    if (now.workspace !== before.workspace) this.#pending.set(workspace.id, { isNew: false });
    this.#addPending(before.keys, now.keys);
    this.#addPending(before.members, now.members);
    for (const id of differing(before.models, now.models))
      if (!this.#pendingModels.has(id)) this.#pendingModels.set(id, factsIn(before, id));
    for (const id of changedUploads(before, now)) this.#pending.set(id, { isNew: false });
    return IDLE;
  }

  async #compareMembers(before: ClientView): Promise<Step> {
    this.#checkedAtMs = performance.now();
    const members = await this.#read('members', () =>
      memberRoles(this.#deps, { type: 'workspace', id: this.#workspaceId }),
    );
    if (!members.has(this.#viewer.id)) return this.#loseAccess();
    this.#view = { ...before, members };
    this.#addPending(before.members, members);
    return IDLE;
  }

  /** An id that is pending keeps its `isNew`, since nothing about it was sent in between. */
  #addPending(before: Fingerprints, now: Fingerprints): void {
    for (const id of differing(before, now))
      if (!this.#pending.has(id)) this.#pending.set(id, { isNew: !before.has(id) });
  }

  async #readNext(): Promise<Step> {
    const isStale = performance.now() - this.#checkedAtMs > CHECK_AFTER_MS;
    if (isStale && (await this.#findWorkspace()) === undefined) return this.#loseAccess();
    const [next] = this.#pending;
    if (next !== undefined) {
      const [id, { isNew }] = next;
      this.#pending.delete(id);
      const load = () => readWorkspaceEvent(this.#deps, this.#viewer, this.#workspaceId, id, isNew);
      const event = await this.#read(`event ${id} ${isNew ? 'new' : 'known'}`, load);
      if (event?.type === 'nothing') return await this.#readNext();
      if (event !== undefined && this.#view !== undefined) this.#view = afterEvent(this.#view, id, event);
      if (event?.type === 'thread-updated' && this.#wasSent(event.thread)) return await this.#readNext();
      return this.#stepOf(this.#asAdded(event));
    }
    const view = this.#view;
    if (this.#pendingModels.size === 0 || view === undefined) return IDLE;
    const news = findModelNews(this.#pendingModels, view);
    const ids = [...this.#pendingModels.keys()];
    this.#pendingModels = new Map();
    const load = () => readChangedModels(this.#deps, this.#viewer, this.#workspaceId, view, ids);
    const changed = await this.#read(`models ${view.offered} ${view.preferences} ${ids}`, load);
    return this.#stepOf(changed && { type: 'models-updated', ...changed, news });
  }

  /** Turns the first update of a thread that is new to the client into `thread-added`. */
  #asAdded(event: WorkspaceEvent | undefined): WorkspaceEvent | undefined {
    if (event?.type === 'thread-removed') {
      this.#addedThreadIds.delete(event.removedId);
      this.#sentRevisions.delete(event.removedId);
    }
    if (event?.type !== 'thread-updated') return event;
    const { thread } = event;
    if (thread.appearedAt < this.#threadsSince || this.#addedThreadIds.has(thread.id)) return event;
    this.#addedThreadIds.add(thread.id);
    return { type: 'thread-added', thread };
  }

  /** Whether the client has this revision already: a change may be announced, and found by a look as well. */
  #wasSent({ id, revision }: Thread): boolean {
    const wasSent = this.#sentRevisions.get(id) === revision;
    this.#sentRevisions.delete(id);
    this.#sentRevisions.set(id, revision);
    const [oldest] = this.#sentRevisions.keys();
    if (this.#sentRevisions.size > MOST_REMEMBERED && oldest !== undefined)
      this.#sentRevisions.delete(oldest);
    return wasSent;
  }

  async #findWorkspace(): Promise<Workspace | undefined> {
    this.#checkedAtMs = performance.now();
    const load = () => findWorkspaces(this.#deps, this.#viewer, [this.#workspaceId]);
    const [workspace] = await this.#read('workspace', load);
    return workspace;
  }

  #read<Result>(name: string, load: () => Promise<Result>): Promise<Result> {
    const { sharedReads } = this.#deps;
    return sharedReads.read(`${this.#viewer.id} in ${this.#workspaceId} ${name}`, load, {
      notBeforeMs: this.#notBeforeMs,
    });
  }

  /** Changes by time, or by another process, are not announced, and are found by comparing. */
  #compareAgainBy(moment: Date | null): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const everyMs = this.#deps.changeLooks.compareEveryMs(COMPARE_EVERY_MS);
    const delayMs = moment === null ? everyMs : Math.min(moment.getTime() - Date.now(), everyMs);
    this.#timer = setTimeout(() => {
      this.#isDue = true;
      this.#notBeforeMs = performance.now() - TOGETHER_MS;
      this.#wake();
    }, delayMs);
  }

  /** No event means that the viewer is no longer in the workspace. */
  #stepOf(event: WorkspaceEvent | undefined): Step {
    return event === undefined ? this.#loseAccess() : polled(event);
  }

  #loseAccess(): Step {
    this.#hasLostAccess = true;
    return polled({ type: 'access-lost', error: new NotFoundError('workspace') });
  }
}

/** Ids whose event takes no comparison with what the client was sent. */
const READ_ONE_BY_ONE = ['thr', 'att'] as const satisfies readonly IdPrefix[];

function isReadAlone(prefix: IdPrefix | undefined): boolean {
  return READ_ONE_BY_ONE.some((each) => each === prefix);
}

/** Beyond it a thread may be sent twice in the same revision. */
const MOST_REMEMBERED = 1_000;

/** The timers of followers that reload at the same moment go off within this. */
const TOGETHER_MS = 20;
const COMPARE_EVERY_MS = 30_000; // the longest time until a plan changed from the command line is shown
