import type { PreferredModel } from './list-models.ts';
import { compareVersions, type ModelName, readModelName } from './model-name.ts';

/** A model of a list, and whether it can be asked now. */
export type ListedForChoice = PreferredModel & { isAvailable: boolean };

/**
 * The keys by which models are sorted for a person who chooses one, by model id: those that can be asked first; of these
 * favourites, then variants in the order in which they were made, then the others by their rank.
 */
export function relevanceKeys(
  models: readonly ListedForChoice[],
  ranks: ReadonlyMap<string, string>,
): Map<string, string> {
  return new Map(
    models.map((model) => {
      const isLater = [!model.isAvailable, !model.isFavorite, model.baseModelId === null];
      return [model.id, `${isLater.map(Number).join('')}${ranks.get(model.id) ?? NO_RANK} ${model.id}`];
    }),
  );
}

/**
 * The ranks of models without regard to who asks and what is wanted, as digits, by model id; of all that a workspace lists, in
 * the order in which they became known, so that a filter or a favourite changes no other model's rank. Providers come in the
 * order in which their first key was added, and what each of them lists as `inOrder` sorts it. Variants have none.
 */
export function rankModels(models: readonly PreferredModel[]): Map<string, string> {
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
function inOrder(models: readonly PreferredModel[]): { id: string }[] {
  const named = models.map(({ id, name }, index) => ({ id, index, ...readModelName(name) }));
  const plain = new Set(named.filter(({ isPlain }) => isPlain).map(modelOf));
  const makers = firstsOf(named, makerOf);
  const lines = firstsOf(named, lineOf);
  const undated = firstsOf(named, modelOf);
  const newest = newestOf(named);
  const sortable = named.map((model) => ({
    ...model,
    makerIndex: makers.get(makerOf(model)) ?? 0,
    isSnapshot: Number(!model.isPlain && plain.has(modelOf(model))),
    newestOfLine: newest.get(lineOf(model)) ?? [],
    lineIndex: lines.get(lineOf(model)) ?? 0,
    modelIndex: undated.get(modelOf(model)) ?? 0,
  }));
  return sortable.sort(
    (left, right) =>
      left.makerIndex - right.makerIndex ||
      left.isSnapshot - right.isSnapshot ||
      compareVersions(left.newestOfLine, right.newestOfLine) ||
      left.lineIndex - right.lineIndex ||
      compareVersions(left.version, right.version) ||
      left.modelIndex - right.modelIndex ||
      (right.date ?? UNDATED) - (left.date ?? UNDATED) ||
      left.index - right.index,
  );
}

/** The index of the first model of each group. */
function firstsOf(models: readonly ModelName[], groupOf: (model: ModelName) => string): Map<string, number> {
  return new Map(models.map((model, index): [string, number] => [groupOf(model), index]).reverse());
}

/** The newest version in each line. */
function newestOf(models: readonly ModelName[]): Map<string, readonly number[]> {
  const newest = new Map<string, readonly number[]>();
  for (const model of models) {
    const known = newest.get(lineOf(model));
    if (known === undefined || compareVersions(model.version, known) < 0)
      newest.set(lineOf(model), model.version);
  }
  return newest;
}

const makerOf = ({ maker }: ModelName) => maker;
const lineOf = ({ maker, line }: ModelName) => `${maker}/${line}`;
const modelOf = ({ maker, undated }: ModelName) => `${maker}/${undated}`;

function digits(count: number, length: number): string {
  return String(count).padStart(length, '0');
}

const UNDATED = 99_999_999; // newer than every snapshot
const NO_RANK = digits(0, 9);
