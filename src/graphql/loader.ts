import DataLoader from 'dataloader';

/**
 * Gathers the keys that the resolvers of one step ask for into one query. Results are not cached: a subscription's context lives
 * as long as the subscription, and would show old rows. What a mutation itself has just read or written can be remembered for
 * its payload.
 */
export class Loader<Value> {
  readonly #find: (keys: string[]) => Promise<ReadonlyMap<string, Value>>;
  readonly #known = new Map<string, Value | null>();
  /** Made when it is first used: most operations use few of the loaders, and an idle subscription none. */
  #batches: DataLoader<string, Value | null> | undefined;

  constructor(find: (keys: string[]) => Promise<ReadonlyMap<string, Value>>) {
    this.#find = find;
  }

  async load(key: string): Promise<Value | null> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#batches ??= new DataLoader(
      async (keys) => {
        const found = await this.#find([...new Set(keys)]);
        return keys.map((each) => found.get(each) ?? null);
      },
      { cache: false },
    );
    return await this.#batches.load(key);
  }

  /** The value of a key until `forget` is called; null for none. */
  remember(key: string, value: Value | null): void {
    this.#known.set(key, value);
  }

  forget(): void {
    this.#known.clear();
  }
}

/** Forgets everything that was remembered in any of these loaders. */
export function forgetAll(loaders: Readonly<Record<string, Pick<Loader<unknown>, 'forget'>>>): void {
  for (const loader of Object.values(loaders)) loader.forget();
}
