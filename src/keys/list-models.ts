import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { type Page, type PageInput, pageOf, type SortedList } from '../db/page.ts';
import type { Model } from '../models/catalogue.ts';
import { capabilitiesOf } from '../models/facts.ts';
import {
  type ChoosableModel,
  listModelsByAge,
  MAX_MODELS,
  readChoosableModels,
  readModelsById,
} from '../models/list-models.ts';
import type { ModelPreference } from '../models/preference.ts';
import { rankModels, relevanceKey } from '../models/relevance.ts';
import type { ModelCapability } from '../providers/options.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Providers } from '../providers/registry.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { findAvailability, type ModelAvailability } from './availability.ts';

export const MODEL_ORDER_FIELDS = ['ADDED', 'RELEVANCE'] as const;

/** The order of a list of models. The most relevant are first in descending order. */
export interface ModelOrder {
  field: (typeof MODEL_ORDER_FIELDS)[number];
  direction: 'ASC' | 'DESC';
}

/** Which models of a list are wanted; all that are not hidden if a field is absent. */
export interface ModelFilter {
  provider?: ProviderName | null | undefined;
  /** Words that are all in the title or the name, in any case. */
  search?: string | null | undefined;
  isAvailable?: boolean | null | undefined;
  /** A model has all of them. */
  capabilities?: readonly ModelCapability[] | null | undefined;
  isFavorite?: boolean | null | undefined;
  includeHidden?: boolean | null | undefined;
}

/** A page of models, and what reading it has shown of them already. */
export interface ListedModels {
  page: Page<Model>;
  /** By model id; empty if the list did not need them. */
  offers: ReadonlyMap<string, ModelAvailability>;
  preferences: ReadonlyMap<string, ModelPreference>;
}

/**
 * The models of a workspace that the viewer can choose from. Whether a model can be asked is no column, so all of them are read
 * where a filter or the order needs it: in as many statements for two thousand as for one.
 */
export async function listModels(
  deps: { db: Database; providers: Providers },
  viewer: Viewer,
  workspace: Pick<Workspace, 'id' | 'teamId'>,
  input: PageInput,
  { filter, order }: { filter: ModelFilter | null; order: ModelOrder },
): Promise<ListedModels> {
  const isByAge = order.field === 'ADDED';
  if (isByAge && filter === null) {
    const direction = order.direction === 'ASC' ? 'ascending' : 'descending';
    const page = await listModelsByAge(deps, viewer, workspace, input, direction);
    return { page, offers: new Map(), preferences: new Map() };
  }
  const listed = await readChoosableModels(deps, viewer, workspace);
  const wanted = listed.filter(matcher(deps, filter ?? {}));
  const ids = wanted.map(({ id }) => id);
  const isWanted = filter?.isAvailable ?? null;
  const offers = isByAge && isWanted === null ? new Map() : await findAvailability(deps, ids);
  const isAvailable = ({ id }: { id: string }) => offers.get(id)?.isAvailable === true;
  const models = isWanted === null ? wanted : wanted.filter((model) => isAvailable(model) === isWanted);
  const ranks = isByAge ? null : rankModels(listed);
  const keyOf = (model: ChoosableModel) =>
    ranks === null ? model.id : relevanceKey(model, isAvailable(model), ranks);
  const found = pageOf(input, sortByKey(models, keyOf, order));
  const shownIds = found.rows.map(({ id }) => id);
  return {
    page: { ...found, rows: await readModelsById(deps, shownIds) },
    offers,
    preferences: new Map(models.map((model) => [model.id, model])),
  };
}

/** The models in the order of their keys, each of which is made once. The keys of relevance begin with the most relevant. */
function sortByKey(
  models: readonly ChoosableModel[],
  keyOf: (model: ChoosableModel) => string,
  { field, direction }: ModelOrder,
): SortedList<{ id: string }> {
  const isAscending = (field === 'ADDED') === (direction === 'ASC');
  const keys = new Map(models.map((model) => [model.id, keyOf(model)]));
  const keyOfRow = ({ id }: { id: string }) => keys.get(id) ?? id;
  return {
    rows: models.toSorted((left, right) => (keyOfRow(left) < keyOfRow(right) === isAscending ? -1 : 1)),
    keyOf: keyOfRow,
    order: isAscending ? 'ascending' : 'descending',
    maxRows: MAX_MODELS,
  };
}

function matcher(
  { providers }: { providers: Providers },
  filter: ModelFilter,
): (model: ChoosableModel) => boolean {
  const { provider, isFavorite, includeHidden } = filter;
  const wanted = filter.capabilities ?? [];
  const words = (filter.search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return (model) => {
    const text = `${model.title} ${model.name}`.toLowerCase();
    return (
      (includeHidden === true || !model.isHidden) &&
      (provider == null || model.provider === provider) &&
      (isFavorite == null || model.isFavorite === isFavorite) &&
      wanted.every((capability) => capabilitiesOf(providers[model.provider], model).includes(capability)) &&
      words.every((word) => text.includes(word))
    );
  };
}
