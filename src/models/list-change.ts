import { shutdownPhase } from './shutdown.ts';

/** A model of a key's list, as far as a change of the list is about it. */
export interface ListEntry {
  name: string;
  shutdownAt: Date | null;
}

/** What is different in a key's list since it was last read. */
export interface ListChange {
  /** Names of models that were not in it. */
  added: string[];
  /** Names of models that are no longer in it. */
  removed: string[];
  /** Models whose shutdown was announced, moved or withdrawn, or has come near. */
  shutdowns: ListEntry[];
}

/** Compares two states of a key's list, the first read at `since`, the second `now`. Null if managers need not know of it. */
export function compareLists(
  before: readonly ListEntry[],
  after: readonly ListEntry[],
  { since, now }: { since: Date; now: Date },
): ListChange | null {
  const known = new Map(before.map(({ name, shutdownAt }) => [name, shutdownAt]));
  const names = new Set(after.map(({ name }) => name));
  const change = {
    added: after.filter(({ name }) => !known.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    shutdowns: after.filter(({ name, shutdownAt }) => {
      const isSameDate = (known.get(name)?.getTime() ?? null) === (shutdownAt?.getTime() ?? null);
      return (
        !isSameDate ||
        (shutdownPhase(shutdownAt, since) === 'none' && shutdownPhase(shutdownAt, now) !== 'none')
      );
    }),
  };
  return Object.values(change).every((models) => models.length === 0) ? null : change;
}
