import { PROVIDER_NAMES, type Provider as ProviderShape } from '../providers/provider.ts';
import { builder } from './builder.ts';

export const ProviderName = builder.enumType('ProviderName', {
  description: 'A provider of models. May grow: show an unknown provider by its name.',
  values: {
    OPENAI: { description: 'OpenAI, the maker of GPT.' },
    ANTHROPIC: { description: 'Anthropic, the maker of Claude.' },
    GEMINI: { description: 'Google, the maker of Gemini.' },
    MISTRAL: { description: 'Mistral AI, the maker of Mistral models.' },
    PERPLEXITY: { description: 'Perplexity, the maker of Sonar.' },
    XAI: { description: 'xAI, the maker of Grok.' },
    NOVITA: { description: 'Novita AI, a host of open models.' },
    CUSTOM: { description: 'A server that speaks OpenAI’s chat protocol, at a base URL of its own.' },
  } satisfies Record<(typeof PROVIDER_NAMES)[number], { description: string }>,
});

const Provider = builder.objectRef<ProviderShape>('Provider').implement({
  description: 'A provider whose keys can be added.',
  fields: (t) => ({
    id: t.exposeID('name', { description: 'Id of the provider, the same as `name`.' }),
    name: t.expose('name', { type: ProviderName, description: 'Name of the provider in this API.' }),
    title: t.exposeString('title', { description: 'Name of the provider for people.' }),
    keysUrl: t.exposeString('keysUrl', {
      nullable: true,
      description: 'Address of the page on which a person creates a key. Null for CUSTOM.',
    }),
    keyPlaceholder: t.exposeString('keyPlaceholder', {
      description: 'Form of a key, as the placeholder of an empty input field.',
    }),
  }),
});

builder.queryField('providers', (t) =>
  t.field({
    type: [Provider],
    description: 'All providers whose keys can be added.',
    resolve: (_root, _args, { deps }) => PROVIDER_NAMES.map((name) => deps.providers[name]),
  }),
);
