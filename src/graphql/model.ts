import type { Model as ModelShape } from '../models/catalogue.ts';
import type { ListedPrice } from '../providers/provider.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { ApiKey, KeyScope } from './api-key.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { ErrorCode } from './user-error.ts';

export const Model = builder.objectRef<ModelShape>('Model');

const ModelCapability = builder.enumType('ModelCapability', {
  description:
    'Something a model can do besides reading and writing text. It may gain values: keep a default branch.',
  values: {
    IMAGE_INPUT: { description: 'It reads images.' },
    PDF_INPUT: { description: 'It reads PDF files.' },
    REASONING: { description: 'It thinks before it answers.' },
    WEB_SEARCH: { description: 'It searches the web and cites what it found.' },
  } as const,
});

const ModelPrice = builder.objectRef<ListedPrice>('ModelPrice').implement({
  description: 'What the provider lists as its price, in US dollars per million tokens.',
  fields: (t) => ({
    input: t.exposeFloat('input', { description: 'For input.' }),
    output: t.exposeFloat('output', { description: 'For output, reasoning included.' }),
    cachedInput: t.exposeFloat('cachedInput', {
      nullable: true,
      description: 'For input that the provider had cached. Null if not listed.',
    }),
  }),
});

Model.implement({
  description: 'Something that can be asked. It outlives the key through which it became known.',
  interfaces: [Node],
  fields: (t) => ({
    provider: t.expose('provider', { type: ProviderName, description: 'Who runs it.' }),
    name: t.exposeString('name', { description: 'The provider’s name for it, e.g. `gpt-5.6-luna`.' }),
    title: t.exposeString('title', {
      description: 'Its name for people; the same as `name` where there is none.',
    }),
    isAvailable: t.boolean({
      description: 'Whether it can be asked now.',
      resolve: async (model, _args, { loaders }) =>
        (await loaders.offers.load(model.id))?.isAvailable === true,
    }),
    unavailableReason: t.field({
      type: ErrorCode,
      nullable: true,
      description: 'Why it cannot be asked now. Null if it can.',
      resolve: async (model, _args, { loaders }) => {
        const offer = await loaders.offers.load(model.id);
        return offer === null || offer.isAvailable ? null : offer.code;
      },
    }),
    paidBy: t.field({
      type: KeyScope,
      nullable: true,
      description: 'Whose key would pay for an answer now. Null if it cannot be asked.',
      resolve: async (model, _args, { loaders }) => {
        const offer = await loaders.offers.load(model.id);
        return offer?.isAvailable === true ? offer.paidBy : null;
      },
    }),
    apiKeys: t.field({
      type: [ApiKey],
      nullable: true,
      description:
        'The keys that offer it and that the viewer may manage, in the order in which they are asked. Null for members who may not manage keys.',
      resolve: async (model, _args, { loaders }) => {
        const tenant = await loaders.tenants.load(model.tenantId);
        if (tenant === null || !mayDo(tenant.viewerRole, 'manageKeys')) return null;
        const offer = await loaders.offers.load(model.id);
        const keys = await Promise.all((offer?.apiKeyIds ?? []).map((id) => loaders.apiKeys.load(id)));
        return keys.filter((key) => key !== null);
      },
    }),
    contextWindow: t.exposeInt('contextWindow', {
      nullable: true,
      description: 'Tokens that fit into one request. Null if the provider does not say.',
    }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', {
      nullable: true,
      description: 'Most tokens of one answer. Null if the provider does not say.',
    }),
    capabilities: t.expose('capabilities', {
      type: [ModelCapability],
      description: 'What it can do besides text, as far as the provider says.',
    }),
    price: t.field({
      type: ModelPrice,
      nullable: true,
      description: 'What the provider lists as its price. Null if it lists none: unknown, not free.',
      resolve: ({ inputPrice, outputPrice, cachedInputPrice }) =>
        inputPrice === null || outputPrice === null
          ? null
          : { input: inputPrice, output: outputPrice, cachedInput: cachedInputPrice },
    }),
  }),
});

export const ModelConnection = connectionOf(Model);
