import type { ModelFacts, ModelView } from './model-view-cache.ts';

/** What changed about the models that a viewer can choose from. */
export interface ModelNews {
  added: ModelNotice[];
  removed: ModelNotice[];
  /** Models whose shutdown has come near, or was announced or moved and is near. */
  shuttingDown: ModelNotice[];
  /** The changed models that cannot be asked for a reason that has to do with keys. */
  unavailable: ModelFacts[];
}

/** A model, and the one to ask in its place; null if none is known that can be asked. */
export interface ModelNotice extends ModelFacts {
  replacement: ModelFacts | null;
}

/** The news for a viewer who was last sent these models as they were `before`; null for one that was not in the list. */
export function findModelNews(before: ReadonlyMap<string, ModelFacts | null>, view: ListedFacts): ModelNews {
  const known = [...before.values()].filter((model) => model !== null);
  const now = [...before.keys()].flatMap((id) => factsIn(view, id) ?? []);
  // The workspace's own entry of a model makes way for its team's, and the other way round. That is no news.
  const [offeredBefore, offeredNow] = [known, now].map(
    (models) => new Set(models.filter(isOffered).map(placeOf)),
  );
  const notice = (model: ModelFacts) => ({ ...model, replacement: replacementOf(model, view) });
  return {
    added: now.filter((model) => model.isOffered && !offeredBefore?.has(placeOf(model))).map(notice),
    removed: known
      .filter((model) => model.isOffered && !offeredNow?.has(placeOf(model)))
      .map((model) => notice(factsIn(view, model.id) ?? { ...model, isOffered: false })),
    shuttingDown: now
      .filter((model) => model.isOffered && isShuttingDown(before.get(model.id) ?? null, model))
      .map(notice),
    unavailable: now.filter(
      ({ isAvailable, isDelisted, shutdown }) => !isAvailable && !isDelisted && shutdown !== 'past',
    ),
  };
}

const isOffered = (model: ModelFacts) => model.isOffered;
const placeOf = ({ provider, baseUrl, name, variantId }: ModelFacts) =>
  JSON.stringify([provider, baseUrl, name, variantId]);

/** The facts of models, and which of them the viewer has in the list. */
type ListedFacts = Pick<ModelView, 'models' | 'facts'>;

/** The facts of a model; null if the viewer does not have it in the list. */
export function factsIn({ models, facts }: ListedFacts, id: string): ModelFacts | null {
  return (models.has(id) ? facts.get(id) : null) ?? null;
}

function isShuttingDown(before: ModelFacts | null, { shutdown, shutdownAt }: ModelFacts): boolean {
  if (shutdown !== 'soon') return false;
  return before?.shutdown !== 'soon' || before.shutdownAt?.getTime() !== shutdownAt?.getTime();
}

function replacementOf(
  { replacementName, provider, baseUrl }: ModelFacts,
  { models, facts }: ListedFacts,
): ModelFacts | null {
  if (replacementName === null) return null;
  const isReplacement = (model: ModelFacts) =>
    model.name === replacementName &&
    model.provider === provider &&
    model.baseUrl === baseUrl &&
    model.baseModelId === null &&
    model.isAvailable;
  return facts.values().find((model) => isReplacement(model) && models.has(model.id)) ?? null;
}
