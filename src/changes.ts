/**
 * What was committed, told once after the commit. A listener has a set of dirty ids and re-reads the database for them:
 * however slow it is, nothing queues. It is the fast path only; nothing may be wrong when an announcement is lost.
 */
export class Changes {
  readonly #listeners = new Map<string, Set<Listener>>();

  /** Tells everyone who listens to `topic` (a thread's or workspace's id) that the things with these ids changed. */
  announce(topic: string, ids: Iterable<string>): void {
    const listeners = this.#listeners.get(topic);
    if (listeners === undefined) return;
    const changed = [...ids];
    for (const listener of listeners) listener.mark(changed);
  }

  /** Starts to listen. Listen first, read the state after: then no change falls between the two. */
  listen(topic: string, wake: () => void): ChangeListener {
    const listener = new Listener(wake);
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return {
      take: () => listener.take(),
      close: () => {
        listeners.delete(listener);
        if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
      },
    };
  }
}

export interface ChangeListener {
  /** The ids that changed since the last call, in the order they first changed. */
  take(): string[];
  close(): void;
}

class Listener {
  readonly #wake: () => void;
  #dirty = new Set<string>();

  constructor(wake: () => void) {
    this.#wake = wake;
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
