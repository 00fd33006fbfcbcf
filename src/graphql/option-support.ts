import type { OptionRange, OptionSupport as OptionSupportShape } from '../providers/options.ts';
import { ReasoningEffort } from './answer-options.ts';
import { builder } from './builder.ts';

const FloatRange = builder.objectRef<OptionRange>('FloatRange').implement({
  description: 'Range of numbers that an option takes.',
  fields: (t) => ({
    min: t.exposeFloat('min', { description: 'Smallest number in the range.' }),
    max: t.exposeFloat('max', { description: 'Largest number in the range.' }),
  }),
});

const IntRange = builder.objectRef<OptionRange>('IntRange').implement({
  description: 'Range of whole numbers that an option takes.',
  fields: (t) => ({
    min: t.exposeInt('min', { description: 'Smallest number in the range.' }),
    max: t.exposeInt('max', { description: 'Largest number in the range.' }),
  }),
});

export const OptionSupport = builder.objectRef<OptionSupportShape>('OptionSupport').implement({
  description:
    'Options that a model takes. Another option, or one beyond its range, is refused with InvalidInputError before anything is written.',
  fields: (t) => ({
    efforts: t.field({
      type: [ReasoningEffort],
      description: 'Efforts of thinking that can be chosen, from least to most. Empty if none can be.',
      resolve: ({ efforts }) => [...efforts],
    }),
    defaultEffort: t.expose('defaultEffort', {
      type: ReasoningEffort,
      nullable: true,
      description: 'Effort of thinking without the option. Null if it is not known.',
    }),
    temperature: t.expose('temperature', {
      type: FloatRange,
      nullable: true,
      description: 'Range of the temperature. Null if the model takes none.',
    }),
    topP: t.expose('topP', {
      type: FloatRange,
      nullable: true,
      description: 'Range of `topP`. Null if the model does not take it.',
    }),
    maxOutputTokens: t.expose('maxOutputTokens', {
      type: IntRange,
      nullable: true,
      description: 'Range of `maxOutputTokens`. Null if the model does not take it.',
    }),
    maxStopWords: t.exposeInt('maxStopWords', {
      description: 'Largest number of stop words. Zero if the model takes none.',
    }),
    supportsSystemPrompt: t.exposeBoolean('supportsSystemPrompt', {
      description: 'True if the model takes a system prompt.',
    }),
    supportsWebSearch: t.exposeBoolean('supportsWebSearch', {
      description: 'True if the model can be let search the web.',
    }),
  }),
});
