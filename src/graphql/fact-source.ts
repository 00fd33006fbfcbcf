import type { FactSource as FactSourceShape } from '../models/facts.ts';
import { builder } from './builder.ts';

const FactSourceName = builder.enumType('FactSourceName', {
  description: 'Source of what is known about a model. May grow: show an unknown source by its name.',
  values: {
    PROVIDER: { description: 'List of models that the provider gives for a key.' },
    PRICE_LIST: {
      description:
        'Collection of prices and context windows that comes with Latchkey, with the day of its data.',
    },
    MANUAL: {
      description:
        'Statement by hand in Latchkey, for what no list says, with the day on which the provider’s documentation said so.',
    },
  } as const,
});

export const FactSource = builder.objectRef<FactSourceShape>('FactSource').implement({
  description:
    'Source of one field of a model. A field of which two sources state a part, such as capabilities, has one of these for each.',
  fields: (t) => ({
    field: t.exposeString('field', {
      description: 'Name of the field, e.g. `contextWindow`; `efforts` is the one of `optionSupport`.',
    }),
    source: t.expose('source', { type: FactSourceName, description: 'Source of the field’s value.' }),
    asOf: t.expose('asOf', { type: 'DateTime', description: 'Time at which the source last said so.' }),
  }),
});
