import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { type Page, type PageInput, pageOf } from '../db/page.ts';
import type { Model } from '../models/catalogue.ts';
import { capabilitiesOf } from '../models/facts.ts';
import {
  listModelsByAge,
  MAX_MODELS,
  type PreferredModel,
  readPreferredModels,
} from '../models/list-models.ts';
import { type ListedForChoice, rankModels, relevanceKeys } from '../models/relevance.ts';
import type { ModelCapability } from '../providers/options.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Providers } from '../providers/registry.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { findAvailability } from './availability.ts';

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

/**
 * The models of a workspace that the viewer can choose from. Whether a model can be asked is no column, so all of them are read
 * where a filter or the order needs it: in as many statements for two thousand as for one.
 */
export async function listModels(
  deps: { db: Database; providers: Providers },
  viewer: Viewer,
  workspace: Pick<Workspace, 'id' | 'teamId'>,
  page: PageInput,
  { filter, order }: { filter: ModelFilter | null; order: ModelOrder },
): Promise<Page<Model>> {
  const isByAge = order.field === 'ADDED';
  const direction = order.direction === 'ASC' ? 'ascending' : 'descending';
  if (isByAge && filter === null) return await listModelsByAge(deps, viewer, workspace, page, direction);
  const listed = await readPreferredModels(deps, viewer, workspace);
  const wanted = listed.filter(matcher(deps, filter ?? {}));
  const models = await withAvailability(deps, wanted, filter?.isAvailable ?? null);
  const keys = isByAge ? null : relevanceKeys(models, rankModels(listed));
  const keyOf = ({ id }: Model) => keys?.get(id) ?? id;
  // The keys of relevance begin with the most relevant.
  const isAscending = isByAge === (direction === 'ascending');
  const rows = models.sort((left, right) => (keyOf(left) < keyOf(right) === isAscending ? -1 : 1));
  return pageOf<Model>(page, {
    rows,
    keyOf,
    order: isAscending ? 'ascending' : 'descending',
    maxRows: MAX_MODELS,
  });
}

/** These models with whether they can be asked, those alone that can or cannot if one is wanted. */
async function withAvailability(
  deps: { db: Database },
  models: readonly PreferredModel[],
  isWanted: boolean | null,
): Promise<ListedForChoice[]> {
  const offers = await findAvailability(
    deps,
    models.map(({ id }) => id),
  );
  return models
    .map((model) => ({ ...model, isAvailable: offers.get(model.id)?.isAvailable === true }))
    .filter(({ isAvailable }) => isWanted === null || isAvailable === isWanted);
}

function matcher(
  { providers }: { providers: Providers },
  filter: ModelFilter,
): (model: PreferredModel) => boolean {
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
