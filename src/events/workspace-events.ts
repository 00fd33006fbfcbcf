import type { Viewer } from '../accounts/session.ts';
import type { ChangeListener, Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { type IdPrefix, prefixOf } from '../db/id.ts';
import { NotFoundError } from '../errors.ts';
import { ownThreadsTopic } from '../threads/thread.ts';
import { memberRoles } from '../workspaces/member.ts';
import type { Plan } from '../workspaces/plan.ts';
import { findWorkspaces, requireWorkspace, type Workspace } from '../workspaces/workspace.ts';
import type { ModelStandings, SharedModels } from './model-standings.ts';
import { type PullSource, pull } from './pull.ts';
import { readModelsChange, readWorkspaceEvent, type WorkspaceEvent } from './read-workspace-event.ts';
import type { SharedReads } from './shared-reads.ts';
import { type Gone, LOOK_AFTER_MS } from './sight.ts';
import { differing, readStanding, type Standing } from './workspace-standing.ts';

interface FollowDeps {
  db: Database;
  changes: Changes;
  defaultPlan: Plan;
  modelStandings: ModelStandings;
  sharedReads: SharedReads;
}

/**
 * Follows a workspace: first how it stands, then every change of its keys, models, threads and members that the viewer may
 * see, each as it then is. Ends as gone when the viewer is no longer in it.
 */
export async function workspaceEvents(
  deps: FollowDeps,
  viewer: Viewer,
  workspaceId: string,
): Promise<AsyncIterableIterator<WorkspaceEvent | Gone>> {
  const load = () => requireWorkspace(deps, viewer, workspaceId, 'read');
  const workspace = await deps.sharedReads.read(`${viewer.id} requires workspace ${workspaceId}`, load);
  return pull((wake) => new WorkspaceFollower(deps, viewer, workspace, wake));
}

type Taken = WorkspaceEvent | Gone | null | undefined;

/**
 * Keeps fingerprints of what was told and ids of what is to be told, and reads each thing, with the viewer's rights in the
 * query, only when it is taken: so nothing queues for a slow reader, and nobody is told what they may not see any more.
 */
class WorkspaceFollower implements PullSource<WorkspaceEvent | Gone> {
  readonly #deps: FollowDeps;
  readonly #viewer: Viewer;
  readonly #workspaceId: string;
  readonly #wake: () => void;
  readonly #changes: ChangeListener;
  readonly #shared: SharedModels;
  #standing: Standing | undefined;
  /** When the viewer was last found to be in the workspace. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #toTell = new Set<string>();
  #modelsToTell = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isTime = false;
  /** What was read before this is too old, by the process's own time: since then time alone may have changed something. */
  #notBeforeMs = 0;
  #isGone = false;
  #isClosed = false;

  constructor(deps: FollowDeps, viewer: Viewer, workspace: Workspace, wake: () => void) {
    this.#deps = deps;
    this.#viewer = viewer;
    this.#workspaceId = workspace.id;
    this.#wake = wake;
    const topics = [workspace.id, ownThreadsTopic(workspace.id, viewer.id), viewer.id];
    if (workspace.teamId !== null) topics.push(workspace.teamId);
    this.#changes = deps.changes.listen(topics, wake);
    this.#shared = deps.modelStandings.follow(workspace.id);
  }

  take(): Taken | Promise<Taken> {
    if (this.#isGone) return undefined;
    const hasNews = this.#toTell.size + this.#modelsToTell.size > 0;
    const mustLook = this.#standing === undefined || this.#isTime || this.#changes.isDirty;
    return mustLook ? this.#look() : hasNews ? this.#tell() : null;
  }

  close(): void {
    this.#isClosed = true;
    this.#changes.close();
    this.#shared.close();
    clearTimeout(this.#timer);
  }

  /** Looks at what may have changed, and no further: whoever follows a busy workspace with many others does so often. */
  async #look(): Promise<Taken> {
    const changed = Map.groupBy(this.#changes.take(), prefixOf);
    for (const id of changed.get('thr') ?? []) this.#toTell.add(id);
    const isOther = (prefix: IdPrefix | undefined) => prefix !== 'thr' && prefix !== 'usr';
    const before = this.#standing;
    let event: WorkspaceEvent | Gone | null = null;
    if (before === undefined || this.#isTime || changed.keys().some(isOther))
      event = await this.#compare(before);
    else if (changed.has('usr')) event = await this.#compareMembers(before);
    return event ?? (await this.#tell());
  }

  /** Finds out what differs from what was told. Gives the snapshot at first, null later. */
  async #compare(before: Standing | undefined): Promise<WorkspaceEvent | Gone | null> {
    this.#isTime = false;
    const workspace = await this.#findWorkspace();
    if (workspace === undefined) return this.#gone();
    const now = await this.#read('standing', () =>
      readStanding(this.#deps, this.#viewer, workspace, { known: before, shared: this.#shared }),
    );
    this.#standing = now;
    this.#lookAgainBy(now.changesAt);
    if (before === undefined) return { type: 'workspace-snapshot', workspace };
    if (now.workspace !== before.workspace) this.#toTell.add(workspace.id);
    for (const id of differing(before.keys, now.keys)) this.#toTell.add(id);
    for (const id of differing(before.members, now.members)) this.#toTell.add(id);
    for (const id of differing(before.models, now.models)) this.#modelsToTell.add(id);
    return null;
  }

  async #compareMembers(before: Standing): Promise<Gone | null> {
    this.#lookedAtMs = performance.now();
    const members = await this.#read('members', () =>
      memberRoles(this.#deps, { type: 'workspace', id: this.#workspaceId }),
    );
    if (!members.has(this.#viewer.id)) return this.#gone();
    this.#standing = { ...before, members };
    for (const id of differing(before.members, members)) this.#toTell.add(id);
    return null;
  }

  async #tell(): Promise<Taken> {
    const isDoubtful = performance.now() - this.#lookedAtMs > LOOK_AFTER_MS;
    if (isDoubtful && (await this.#findWorkspace()) === undefined) return this.#gone();
    const [id] = this.#toTell;
    if (id !== undefined) {
      this.#toTell.delete(id);
      const load = () => readWorkspaceEvent(this.#deps, this.#viewer, this.#workspaceId, id);
      return (await this.#read(`event ${id}`, load)) ?? this.#gone();
    }
    const ids = [...this.#modelsToTell];
    const standing = this.#standing;
    if (ids.length === 0 || standing === undefined) return null;
    this.#modelsToTell = new Set();
    const load = () => readModelsChange(this.#deps, this.#viewer, this.#workspaceId, standing, ids);
    return (await this.#read(`models ${standing.offered} ${ids}`, load)) ?? this.#gone();
  }

  async #findWorkspace(): Promise<Workspace | undefined> {
    this.#lookedAtMs = performance.now();
    const load = () => findWorkspaces(this.#deps, this.#viewer, [this.#workspaceId]);
    const [workspace] = await this.#read('workspace', load);
    return workspace;
  }

  #read<Result>(name: string, load: () => Promise<Result>): Promise<Result> {
    const { sharedReads } = this.#deps;
    return sharedReads.read(`${this.#viewer.id} in ${this.#workspaceId} ${name}`, load, this.#notBeforeMs);
  }

  /** Announcements are the fast path: what time changes, or another process, is found by looking. */
  #lookAgainBy(moment: Date | null): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const delayMs = moment === null ? LOOK_EVERY_MS : Math.min(moment.getTime() - Date.now(), LOOK_EVERY_MS);
    this.#timer = setTimeout(() => {
      this.#isTime = true;
      this.#notBeforeMs = performance.now() - TOGETHER_MS;
      this.#wake();
    }, delayMs);
  }

  #gone(): Gone {
    this.#isGone = true;
    return { type: 'gone', error: new NotFoundError('workspace') };
  }
}

/** The timers of those who look at the same moment go off within this. */
const TOGETHER_MS = 20;
const LOOK_EVERY_MS = 30_000; // a plan changed from the command line is then shown before anybody wonders
