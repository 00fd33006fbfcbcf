import type { ChoosableModel } from './list-models.ts';
import { readModelName } from './model-name.ts';

/**
 * The key by which a model is sorted for a person who chooses one: those that can be asked come first; of these favourites, then
 * variants in the order in which they were made, then the others by their rank.
 */
export function relevanceKey(
  { id, isFavorite, baseModelId }: ChoosableModel,
  isAvailable: boolean,
  ranks: ReadonlyMap<string, string>,
): string {
  const isLater = [!isAvailable, !isFavorite, baseModelId === null];
  return `${isLater.map(Number).join('')}${ranks.get(id) ?? NO_RANK} ${id}`;
}

/**
 * The ranks of models without regard to who asks and what is wanted, as digits, by model id; of all that a workspace lists, in
 * the order in which they became known, so that a filter or a favourite changes no other model's rank. Providers come in the
 * order in which their first key was added, and what each of them lists as `inOrder` sorts it. Variants have none.
 */
export function rankModels(models: readonly ChoosableModel[]): Map<string, string> {
  const bases = models.filter(({ baseModelId }) => baseModelId === null);
  const places = Map.groupBy(bases, ({ provider, baseUrl }) => JSON.stringify([provider, baseUrl]));
  return new Map(
    [...places.values()].flatMap((listed, place) =>
      inOrder(listed).map(({ id }, rank): [string, string] => [id, `${digits(place, 4)}${digits(rank, 5)}`]),
    ),
  );
}

/**
 * The models of one provider, the most interesting ones first. Gateways offer models of many makers: each maker's are together,
 * in the order in which the makers became known. Of a maker snapshots come last whose model is listed too. The others are
 * grouped by the word they begin with (`gpt`, `o`), the group with the newest version first; in it newer versions come before
 * older ones, and equal ones in the order in which they became known.
 */
function inOrder(models: readonly ChoosableModel[]): { id: string }[] {
  const makers = new Map<string, number>();
  const lines = new Map<string, { index: number; newest: number }>();
  const undated = new Map<string, { index: number; isListed: boolean }>();
  const named = models.map(({ id, name }, index) => {
    const { version, date, isPlain, ...read } = readModelName(name);
    const { maker } = read;
    const line = lines.get(`${maker}/${read.line}`) ?? { index, newest: version };
    const model = undated.get(`${maker}/${read.undated}`) ?? { index, isListed: false };
    if (!makers.has(maker)) makers.set(maker, index);
    line.newest = Math.max(line.newest, version);
    model.isListed ||= isPlain;
    lines.set(`${maker}/${read.line}`, line);
    undated.set(`${maker}/${read.undated}`, model);
    return { id, index, maker, line, model, version, date, isPlain };
  });
  const sortable = named.map(({ id, index, maker, line, model, version, date, isPlain }) => {
    const isSnapshot = Number(!isPlain && model.isListed);
    const ofLine = [-line.newest, line.index, -version];
    const ofModel = [model.index, -(date ?? Number.POSITIVE_INFINITY), index];
    // Smaller ones come first.
    return { id, places: [makers.get(maker) ?? 0, isSnapshot, ...ofLine, ...ofModel] };
  });
  return sortable.sort((left, right) => compare(left.places, right.places));
}

/** Compares lists of numbers by the first that differ. */
function compare(left: readonly number[], right: readonly number[]): number {
  let index = 0;
  while (index < left.length && left[index] === right[index]) index += 1;
  return (left[index] ?? 0) < (right[index] ?? 0) ? -1 : 1;
}

function digits(count: number, length: number): string {
  return String(count).padStart(length, '0');
}

const NO_RANK = digits(0, 9);
