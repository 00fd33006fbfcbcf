import { managedKeyIds, unavailableCode } from '../keys/availability.ts';
import { optionSupportOf, toAnswerOptions } from '../models/answer-options.ts';
import type { Model as ModelShape } from '../models/catalogue.ts';
import { capabilitiesOf, contextWindowOf, factSources, priceOf } from '../models/facts.ts';
import { mayEditVariant } from '../models/variant.ts';
import { AnswerOptions } from './answer-options.ts';
import { ApiKey, KeyScope } from './api-key.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import type { Loaders } from './context.ts';
import { FactSource } from './fact-source.ts';
import { ModelPrice } from './model-price.ts';
import { Node } from './node.ts';
import { OptionSupport } from './option-support.ts';
import { ProviderName } from './provider.ts';
import { loadTenant, Tenant } from './tenant.ts';
import { ErrorCode } from './user-error.ts';

export const Model = builder.objectRef<ModelShape>('Model');

export const ModelCapability = builder.enumType('ModelCapability', {
  description: 'Capability of a model besides reading and writing text. May grow: ignore unknown values.',
  values: {
    IMAGE_INPUT: { description: 'The model reads images.' },
    PDF_INPUT: { description: 'The model reads PDF files.' },
    REASONING: { description: 'The model thinks before it answers.' },
    WEB_SEARCH: { description: 'The model searches the web and cites what it found.' },
  } as const,
});

Model.implement({
  description:
    'A model that can be asked, or a variant of one with options of its own. It outlives the key through which it became known.',
  interfaces: [Node],
  fields: (t) => ({
    provider: t.expose('provider', { type: ProviderName, description: 'Provider that runs the model.' }),
    tenant: t.field({
      type: Tenant,
      description:
        'Workspace or team through whose keys the model became known, or in which the variant was made.',
      resolve: (model, _args, { loaders }) => loadTenant(model, loaders),
    }),
    name: t.exposeString('name', { description: 'Name of the model at its provider, e.g. `gpt-5.6-luna`.' }),
    title: t.exposeString('title', {
      description: 'Name of the model for people; the same as `name` where there is none.',
    }),
    isAvailable: t.boolean({
      description: 'True if the model can be asked now.',
      resolve: async (model, _args, { loaders }) =>
        unavailableCode(await loaders.offers.load(model.id)) === null,
    }),
    unavailableReason: t.field({
      type: ErrorCode,
      nullable: true,
      description: 'Reason why the model cannot be asked now. Null if it can.',
      resolve: async (model, _args, { loaders }) => unavailableCode(await loaders.offers.load(model.id)),
    }),
    paidBy: t.field({
      type: KeyScope,
      nullable: true,
      description: 'Scope of the key that would pay for an answer now. Null if the model cannot be asked.',
      resolve: async (model, _args, { loaders }) => {
        const offer = await loaders.offers.load(model.id);
        return offer?.isAvailable === true ? offer.paidBy : null;
      },
    }),
    apiKeys: t.field({
      type: [ApiKey],
      nullable: true,
      description:
        'Keys that offer the model, in the order in which they are asked. Null for members who may not manage keys.',
      resolve: async (model, _args, { loaders }) => {
        const tenant = await loaders.tenants.load(model.tenantId);
        const ids = managedKeyIds(tenant, await loaders.offers.load(model.id));
        if (ids === null) return null;
        const keys = await Promise.all(ids.map((id) => loaders.apiKeys.load(id)));
        return keys.filter((key) => key !== null);
      },
    }),
    contextWindow: t.int({
      nullable: true,
      description:
        'Number of tokens that fit into one request. Null if it is not known. Messages are refused as too long only by a number that the provider itself lists.',
      resolve: contextWindowOf,
    }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', {
      nullable: true,
      description: 'Largest number of tokens of one answer. Null if the provider does not say.',
    }),
    capabilities: t.field({
      type: [ModelCapability],
      description: 'Capabilities of the model besides text, as far as they are known.',
      resolve: (model, _args, { deps }) => capabilitiesOf(deps.providers[model.provider], model),
    }),
    optionSupport: t.field({
      type: OptionSupport,
      description: 'Options that the model takes.',
      resolve: (model, _args, { deps }) => optionSupportOf(deps.providers[model.provider], model),
    }),
    factSources: t.field({
      type: [FactSource],
      description:
        'Sources of the context window, the output limit, the capabilities, the efforts, the price, the time of the shutdown and the replacement, as far as they are known. What only the list of a provider says has no source once no key lists the model.',
      resolve: async (model, _args, { deps, loaders }) => {
        const [listedAt, replacement] = await Promise.all([
          loaders.listTimes.load(model.id),
          loadReplacement(model, loaders),
        ]);
        const hasReplacement = replacement !== null;
        return factSources(deps.providers[model.provider], model, { listedAt, hasReplacement });
      },
    }),
    shutdownAt: t.expose('shutdownAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Time from which the provider no longer runs the model, so that it cannot be asked. Null if the provider’s list does not say.',
    }),
    replacement: t.field({
      type: Model,
      nullable: true,
      description:
        'Model that the provider names as the replacement of this one. Null if it names none, or one that is not known in the same workspace or team.',
      resolve: (model, _args, { loaders }) => loadReplacement(model, loaders),
    }),
    baseModel: t.field({
      type: Model,
      nullable: true,
      description: 'Model that a variant is made from. Null for a model that is no variant.',
      resolve: ({ baseModelId }, _args, { loaders }) =>
        baseModelId === null ? null : loaders.models.load(baseModelId),
    }),
    options: t.field({
      type: AnswerOptions,
      nullable: true,
      description: 'Options of a variant. Null for a model that is no variant.',
      resolve: ({ baseModelId, options }) => (baseModelId === null ? null : toAnswerOptions(options)),
    }),
    viewerCanEdit: t.boolean({
      description:
        'True if the viewer may change and remove the variant: its maker and, if it is for everybody, an ADMIN. False for a model that is no variant.',
      resolve: async (model, _args, { loaders, viewer }) =>
        viewer !== null && mayEditVariant(viewer, await loaders.tenants.load(model.tenantId), model),
    }),
    isFavorite: t.boolean({
      description: 'True if the viewer, or an ADMIN for everybody, made the model a favourite.',
      resolve: async ({ id }, _args, { loaders }) =>
        (await loaders.modelPreferences.load(id))?.isFavorite === true,
    }),
    isHidden: t.boolean({
      description: 'True if the viewer, or an ADMIN for everybody, hid the model in lists.',
      resolve: async ({ id }, _args, { loaders }) =>
        (await loaders.modelPreferences.load(id))?.isHidden === true,
    }),
    price: t.field({
      type: ModelPrice,
      nullable: true,
      description:
        'Price that the provider lists, else the present one of the price list that comes with Latchkey. Null if neither has one: the price is unknown, not zero.',
      resolve: (model) => priceOf(model, new Date()),
    }),
  }),
});

async function loadReplacement(
  { id, replacementName }: ModelShape,
  loaders: Loaders,
): Promise<ModelShape | null> {
  const replacementId = replacementName === null ? null : await loaders.replacementIds.load(id);
  return replacementId === null ? null : await loaders.models.load(replacementId);
}

export const ModelConnection = connectionOf(Model);
