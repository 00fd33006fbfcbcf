import { PROVIDER_NAMES, type Provider as ProviderShape } from '../providers/provider.ts';
import { builder } from './builder.ts';

export const ProviderName = builder.enumType('ProviderName', {
  description: 'A provider of models. It may gain values: keep a default branch.',
  values: {
    OPENAI: { description: 'OpenAI.' },
    ANTHROPIC: { description: 'Anthropic.' },
    GEMINI: { description: 'Google Gemini.' },
    MISTRAL: { description: 'Mistral AI.' },
    PERPLEXITY: { description: 'Perplexity.' },
    XAI: { description: 'xAI, the maker of Grok.' },
    NOVITA: { description: 'Novita AI.' },
    CUSTOM: { description: 'Any server that speaks OpenAI’s chat protocol, at a base URL of its own.' },
  } satisfies Record<(typeof PROVIDER_NAMES)[number], { description: string }>,
});

const Provider = builder.objectRef<ProviderShape>('Provider').implement({
  description: 'A provider whose keys can be added.',
  fields: (t) => ({
    id: t.exposeID('name', { description: 'The same as `name`.' }),
    name: t.expose('name', { type: ProviderName, description: 'Its name in this API.' }),
    title: t.exposeString('title', { description: 'Its name for people.' }),
    keysUrl: t.exposeString('keysUrl', {
      nullable: true,
      description: 'The page on which a person makes a key. Null for CUSTOM.',
    }),
    keyPlaceholder: t.exposeString('keyPlaceholder', {
      description: 'What a key looks like, for an empty input field.',
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
