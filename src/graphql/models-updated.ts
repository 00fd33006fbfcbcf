import type { ModelNotice as ModelNoticeShape } from '../follow/model-news.ts';
import { modelsMessage } from '../follow/models-message.ts';
import type { ModelsUpdate } from '../follow/workspace-event.ts';
import { builder } from './builder.ts';
import { Model } from './model.ts';
import { ProviderName } from './provider.ts';
import { Workspace } from './workspace.ts';

const ModelNotice = builder.objectRef<ModelNoticeShape>('ModelNotice').implement({
  description: 'Notice of a model that is new or gone, or will be shut down soon.',
  fields: (t) => ({
    modelId: t.exposeID('id', {
      description: 'Id of the model. One that is gone can still be read, unless it was a variant.',
    }),
    provider: t.expose('provider', { type: ProviderName, description: 'Provider of the model.' }),
    name: t.exposeString('name', { description: 'Name of the model at its provider.' }),
    title: t.exposeString('title', { description: 'Name of the model for people.' }),
    shutdownAt: t.expose('shutdownAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Time from which the provider no longer runs the model. Null if its list does not say.',
    }),
    replacementId: t.id({
      nullable: true,
      description:
        'Id of the model to ask instead. Null if the provider names none, or one that cannot be asked here.',
      resolve: ({ replacement }) => replacement?.id ?? null,
    }),
    replacementTitle: t.string({
      nullable: true,
      description: 'Name for people of the model to ask instead. Null if there is none.',
      resolve: ({ replacement }) => replacement?.title ?? null,
    }),
  }),
});

export const ModelsUpdated = builder.objectRef<ModelsUpdate>('ModelsUpdated').implement({
  description:
    'Models are new or gone or will be shut down soon, or can be asked, or not, or are paid for by another key than before, or what is known about them changed.',
  fields: (t) => ({
    workspace: t.expose('workspace', {
      type: Workspace,
      description: 'Workspace in which the models are listed.',
    }),
    models: t.expose('models', {
      type: [Model],
      nullable: true,
      description:
        'Models that changed, as they are now. Null if they are more than a hundred, or if the list lost some: fetch `workspace.models` again.',
    }),
    added: t.field({
      type: [ModelNotice],
      description:
        'Models that are new: a key lists them, and none did before; or variants that were made. The first 20 of them.',
      resolve: ({ news }) => news.added.slice(0, MOST_NOTICES),
    }),
    addedCount: t.int({
      description: 'Number of all models that are new.',
      resolve: ({ news }) => news.added.length,
    }),
    removed: t.field({
      type: [ModelNotice],
      description:
        'Models that are gone: no key lists them any more, or their provider has shut them down; or variants that were removed. The first 20 of them.',
      resolve: ({ news }) => news.removed.slice(0, MOST_NOTICES),
    }),
    removedCount: t.int({
      description: 'Number of all models that are gone.',
      resolve: ({ news }) => news.removed.length,
    }),
    shuttingDown: t.field({
      type: [ModelNotice],
      description:
        'Models that will be shut down within 30 days, if that is new: the time has come near, or was announced or moved. The first 20 of them.',
      resolve: ({ news }) => news.shuttingDown.slice(0, MOST_NOTICES),
    }),
    message: t.string({
      nullable: true,
      description:
        'Sentences for every member of the workspace if some of these models will be shut down soon or cannot be asked now, e.g. `gpt-5 will be shut down on 2026-12-10. Use gpt-6.` or `Some OpenAI models cannot be used at the moment. Those who manage the keys can see why.` Null if there is nothing to say.',
      resolve: ({ news }, _args, { deps }) =>
        modelsMessage(news, (provider) => deps.providers[provider].title),
    }),
  }),
});

const MOST_NOTICES = 20; // more are better read as a list
