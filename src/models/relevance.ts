import { familyOf, isNewer, type ModelFamily } from './family.ts';
import type { PreferredModel } from './list-models.ts';

/** A model of a list, and whether it can be asked now. */
export type ListedForChoice = PreferredModel & { isAvailable: boolean };

/**
 * The keys by which models are sorted for a person who chooses one, by model id: those that can be asked first; of these
 * favourites, then variants, then the newest of each family, then the others; equal ones in the order they became known.
 */
export function relevanceKeys(models: readonly ListedForChoice[]): Map<string, string> {
  const newest = newestIds(models);
  return new Map(
    models.map((model) => {
      const isLater = [
        !model.isAvailable,
        !model.isFavorite,
        model.baseModelId === null,
        model.baseModelId === null && !newest.has(model.id),
      ];
      return [model.id, `${isLater.map(Number).join('')} ${model.id}`];
    }),
  );
}

/** The newest model of each family, among those of a provider that can be asked and among those that cannot. */
function newestIds(models: readonly ListedForChoice[]): Set<string> {
  const newest = new Map<string, { id: string; of: ModelFamily }>();
  for (const { id, provider, baseUrl, name, isAvailable, baseModelId } of models) {
    if (baseModelId !== null) continue;
    const of = familyOf(name);
    const place = JSON.stringify([isAvailable, provider, baseUrl, of.family]);
    const known = newest.get(place);
    if (known === undefined || isNewer(of, known.of)) newest.set(place, { id, of });
  }
  return new Set(newest.values().map(({ id }) => id));
}
