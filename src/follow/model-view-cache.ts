import type { ProviderName } from '../providers/provider.ts';

/** Fingerprints, by id. */
export type Fingerprints = ReadonlyMap<string, string>;

/** The models of a workspace as followers compare them. */
export interface ModelView {
  /** The fingerprint of what decided which of them can be asked. */
  offered: string;
  models: Fingerprints;
  /** The providers of those that cannot, by id. */
  unavailable: ReadonlyMap<string, ProviderName>;
}

/** One follower's hold on what is known of the models of a workspace. */
export interface CachedModelView {
  /** What is known for this fingerprint. Another one is read with `load`, once for all who ask for it meanwhile. */
  read(offered: string, load: () => Promise<ModelView>): Promise<ModelView>;
  close(): void;
}

/**
 * What is known of the models of each workspace that is followed. A workspace can have hundreds of models and of followers:
 * when a key changes, its models are read once and not by each of them, and they are held once.
 */
export class ModelViewCache {
  readonly #shared = new Map<string, Shared>();

  follow(workspaceId: string): CachedModelView {
    const shared = this.#shared.get(workspaceId) ?? new Shared();
    this.#shared.set(workspaceId, shared);
    shared.followers += 1;
    return {
      read: (offered, load) => shared.read(offered, load),
      close: () => {
        shared.followers -= 1;
        if (shared.followers === 0) this.#shared.delete(workspaceId);
      },
    };
  }
}

class Shared {
  followers = 0;
  #offered: string | undefined;
  #view: Promise<ModelView> | undefined;

  async read(offered: string, load: () => Promise<ModelView>): Promise<ModelView> {
    if (this.#offered === offered && this.#view !== undefined) return await this.#view;
    this.#offered = offered;
    const loading = load();
    this.#view = loading;
    try {
      const view = await loading;
      // What was read may be newer than what was asked for. It must not be taken for that later.
      if (this.#view === loading) this.#offered = view.offered;
      return view;
    } catch (error) {
      if (this.#view === loading) this.#view = undefined;
      throw error;
    }
  }
}
