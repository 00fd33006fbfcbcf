import type { ListedModels, MODEL_ORDER_FIELDS } from '../keys/list-models.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { builder } from './builder.ts';
import { OrderDirection } from './connection.ts';
import type { Loaders } from './context.ts';
import { ModelCapability } from './model.ts';
import { ProviderName } from './provider.ts';

export const ModelFilter = builder.inputType('ModelFilter', {
  description: 'Models of a list that are wanted: those to which all given fields apply.',
  fields: (t) => ({
    provider: t.field({ type: ProviderName, description: 'Provider that runs the model.' }),
    search: t.string({
      description: 'Words that are all in the title or the name of the model, in any case.',
    }),
    isAvailable: t.boolean({
      description: 'True if models that can be asked now are wanted, false for the others; both if absent.',
    }),
    capabilities: t.field({
      type: [ModelCapability],
      description: 'Capabilities that the model has, all of them.',
    }),
    isFavorite: t.boolean({
      description: 'True if favourites are wanted, false for the others; both if absent.',
    }),
    includeHidden: t.boolean({ description: 'True to list hidden models too.' }),
  }),
});

const ModelOrderField = builder.enumType('ModelOrderField', {
  description: 'Field by which models are sorted. May grow: it is an input only.',
  values: {
    ADDED: { description: 'Time at which the model became known, or the variant was made.' },
    RELEVANCE: {
      description:
        'Relevance to a person who chooses a model: one that can be asked before one that cannot, then favourites, then variants, then the others provider by provider, newer versions first.',
    },
  } satisfies Record<(typeof MODEL_ORDER_FIELDS)[number], { description: string }>,
});

export const ModelOrder = builder.inputType('ModelOrder', {
  description: 'Order of a list of models.',
  fields: (t) => ({
    field: t.field({
      type: ModelOrderField,
      required: true,
      description: 'Field by which the models are sorted; equal ones in the order they became known.',
    }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      description: 'Direction of the order; with DESC the most relevant models are first.',
    }),
  }),
});

/** Lets the fields of the models of a page have what was read for the list. */
export function rememberListed(
  { offers, modelPreferences, tenants }: Loaders,
  workspace: Workspace,
  listed: ListedModels,
): void {
  tenants.remember(workspace.id, workspace);
  for (const { id } of listed.page.rows) {
    const [offer, preference] = [listed.offers.get(id), listed.preferences.get(id)];
    if (offer !== undefined) offers.remember(id, offer);
    if (preference !== undefined) modelPreferences.remember(id, preference);
  }
}
