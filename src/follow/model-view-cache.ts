import type { Model } from '../models/catalogue.ts';

/** Fingerprints, by id. */
export type Fingerprints = ReadonlyMap<string, string>;

/** The models of a workspace as followers compare them. */
export interface ModelView {
  /** Fingerprint of the keys and models that decided which there are and which of them can be asked. */
  offered: string;
  models: Fingerprints;
  /** By model id; of others' own variants too. */
  facts: ReadonlyMap<string, ModelFacts>;
}

/** What decides which news there is of a model. */
export interface ModelFacts
  extends Pick<
    Model,
    | 'id'
    | 'provider'
    | 'baseUrl'
    | 'name'
    | 'title'
    | 'baseModelId'
    | 'variantId'
    | 'userId'
    | 'shutdownAt'
    | 'replacementName'
  > {
  isAvailable: boolean;
  /** Whether a key lists it, or the model that it is made from, and it was not shut down. */
  isOffered: boolean;
  /** Whether no key lists it although there is one of its provider, whose list was read. */
  isDelisted: boolean;
  shutdown: 'none' | 'soon' | 'past';
}

/** One follower's reference to the cached models of a workspace. */
export interface CachedModelView {
  /** The cached models for this fingerprint. If they are missing, `load` reads them, once for concurrent callers. */
  read(offered: string, load: () => Promise<ModelView>): Promise<ModelView>;
  close(): void;
}

/**
 * Caches the models of each workspace that is followed. A workspace can have hundreds of models and of followers: when a key
 * changes, its models are read and stored once and not once per follower.
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
      // The models read may be newer than the fingerprint asked for, and must be cached under their own.
      if (this.#view === loading) this.#offered = view.offered;
      return view;
    } catch (error) {
      if (this.#view === loading) this.#view = undefined;
      throw error;
    }
  }
}
