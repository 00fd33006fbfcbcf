/**
 * Announces committed changes once, after the commit. A listener keeps a set of dirty ids and re-reads the database for them,
 * so nothing queues up for a slow listener. This is only the fast path: a lost announcement must not make anything wrong.
 *
 * A topic is an id: a thread's for what happens in it; a workspace's or team's for its keys, members, threads and itself; a
 * person's for what they may do, with the ids of the workspaces and teams where that changed; a session's for its end.
 */
export class Changes {
  readonly #forward: Forward;
  readonly #listeners = new Map<string, Set<Listener>>();
  #revision = 0;
  /** Revision of the last announcement on each topic, in two generations, so that old ones are dropped together. */
  #recent = new Map<string, number>();
  #older = new Map<string, number>();
  #rotatedAtMs = 0;

  /** `forward` tells the other servers what was announced on this one. */
  constructor(forward: Forward = () => {}) {
    this.#forward = forward;
  }

  /** Grows with every announcement: while it is the same, nothing has been announced. */
  get revision(): number {
    return this.#revision;
  }

  /** Marks these ids as changed for every listener of `topic`, on all servers. */
  announce(topic: string, ids: Iterable<string>): void {
    const changed = [...ids];
    this.receive(topic, changed);
    this.#forward(topic, changed);
  }

  /** Marks them on this server alone: another one announced them, or a look found that they have changed. */
  receive(topic: string, ids: readonly string[]): void {
    this.#revision += 1;
    this.#rotate();
    this.#recent.set(topic, this.#revision);
    for (const listener of this.#listeners.get(topic) ?? []) listener.mark(ids);
  }

  /**
   * Whether nothing was announced on these topics after a revision that was current at `sinceMs`, on the monotonic clock. False
   * if that is too long ago to be known.
   */
  isUnchanged(topics: readonly string[], revision: number, sinceMs: number): boolean {
    if (revision === this.#revision) return true;
    if (performance.now() - sinceMs > REMEMBERED_MS) return false;
    return topics.every((topic) => (this.#recent.get(topic) ?? this.#older.get(topic) ?? 0) <= revision);
  }

  #rotate(): void {
    const nowMs = performance.now();
    if (nowMs - this.#rotatedAtMs < REMEMBERED_MS) return;
    this.#older = nowMs - this.#rotatedAtMs < 2 * REMEMBERED_MS ? this.#recent : new Map();
    this.#recent = new Map();
    this.#rotatedAtMs = nowMs;
  }

  /** Starts to listen to one topic or several. Listen first, read the state after: then no change falls between the two. */
  listen(topics: string | readonly string[], wake: () => void): ChangeListener {
    const listener = new Listener(wake);
    const listened = new Set([topics].flat());
    for (const topic of listened)
      this.#listeners.set(topic, (this.#listeners.get(topic) ?? new Set()).add(listener));
    return {
      take: () => listener.take(),
      get isDirty() {
        return listener.isDirty;
      },
      close: () => {
        for (const topic of listened) this.#remove(topic, listener);
      },
    };
  }

  #remove(topic: string, listener: Listener): void {
    const listeners = this.#listeners.get(topic);
    if (listeners?.delete(listener) && listeners.size === 0) this.#listeners.delete(topic);
  }
}

/** Tells other servers about an announcement. */
type Forward = (topic: string, ids: readonly string[]) => void;

const REMEMBERED_MS = 2_000; // longer than anything that was read is shared

export interface ChangeListener {
  /** The ids that changed since the last call, in the order they first changed. */
  take(): string[];
  /** Whether there are any. */
  readonly isDirty: boolean;
  close(): void;
}

class Listener {
  readonly #wake: () => void;
  #dirty = new Set<string>();

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  mark(ids: readonly string[]): void {
    for (const id of ids) this.#dirty.add(id);
    this.#wake();
  }

  take(): string[] {
    const dirty = [...this.#dirty];
    this.#dirty = new Set();
    return dirty;
  }
}
