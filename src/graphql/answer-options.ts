import { type AnswerOptions as AnswerOptionsShape, REASONING_EFFORTS } from '../providers/options.ts';
import { builder } from './builder.ts';

export const ReasoningEffort = builder.enumType('ReasoningEffort', {
  description: `Effort that a model spends on thinking before it answers, from least to most: ${REASONING_EFFORTS.join(', then ')}. A model takes some of them: see \`Model.optionSupport\`. May grow: show an unknown effort by its name.`,
  values: {
    NONE: { description: 'Effort without any thinking.' },
    MINIMAL: { description: 'Effort of hardly any thinking.' },
    LOW: { description: 'Effort of little thinking.' },
    MEDIUM: { description: 'Effort of some thinking.' },
    HIGH: { description: 'Effort of much thinking.' },
    XHIGH: { description: 'Effort of very much thinking.' },
    MAX: { description: 'Effort of as much thinking as the model is capable of.' },
  } satisfies Record<(typeof REASONING_EFFORTS)[number], { description: string }>,
});

export const AnswerOptionsInput = builder.inputType('AnswerOptionsInput', {
  description:
    'Options of an answer, or of a variant. A field that is left out stays as the variant has it, or as the answer that is repeated had it; null leaves it to the provider.',
  fields: (t) => ({
    systemPrompt: t.string({
      description: 'Instruction that the model is given before the conversation, up to 64 KiB of UTF-8.',
    }),
    effort: t.field({
      type: ReasoningEffort,
      description: 'Effort of thinking, one of `optionSupport.efforts`.',
    }),
    temperature: t.float({
      description: 'Temperature, within `optionSupport.temperature`: higher is more random.',
    }),
    topP: t.float({
      description:
        'Probability mass of the tokens that the model chooses from, within `optionSupport.topP`: lower is less random.',
    }),
    maxOutputTokens: t.int({
      description: 'Largest number of tokens to write, reasoning included, within the range of the model.',
    }),
    stop: t.stringList({
      description:
        'Texts before which the model stops, up to `optionSupport.maxStopWords`, each up to 200 characters.',
    }),
    webSearch: t.boolean({ description: 'True to let the model search the web.' }),
  }),
});

export const AnswerOptions = builder.objectRef<AnswerOptionsShape>('AnswerOptions').implement({
  description: 'Options with which a model is asked. A field that is null is left to the provider.',
  fields: (t) => ({
    systemPrompt: t.exposeString('systemPrompt', {
      nullable: true,
      description: 'Instruction that the model is given before the conversation. Null for none.',
    }),
    effort: t.expose('effort', {
      type: ReasoningEffort,
      nullable: true,
      description: 'Effort of thinking. Null if it is left to the provider.',
    }),
    temperature: t.exposeFloat('temperature', {
      nullable: true,
      description: 'Temperature. Null if it is left to the provider.',
    }),
    topP: t.exposeFloat('topP', {
      nullable: true,
      description:
        'Probability mass of the tokens that the model chooses from. Null if it is left to the provider.',
    }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', {
      nullable: true,
      description:
        'Largest number of tokens to write, reasoning included. Null if it is left to the provider.',
    }),
    stop: t.field({
      type: ['String'],
      nullable: true,
      description: 'Texts before which the model stops. Null for none.',
      resolve: ({ stop }) => stop && [...stop],
    }),
    webSearch: t.exposeBoolean('webSearch', {
      nullable: true,
      description: 'True if the model may search the web. Null if it is left to the provider.',
    }),
  }),
});

export const AnswerRequestInput = builder.inputType('AnswerRequestInput', {
  description: 'An answer to begin. The same model may be named twice with other options.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'Id of the model.' }),
    options: t.field({
      type: AnswerOptionsInput,
      description: 'Options of the answer. They replace those of a variant field by field.',
    }),
  }),
});
