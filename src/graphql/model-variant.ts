import * as errors from '../errors.ts';
import type { Model as ModelShape } from '../models/catalogue.ts';
import { createModelVariant, removeModelVariant, updateModelVariant } from '../models/variant.ts';
import { AnswerOptionsInput } from './answer-options.ts';
import { Model } from './model.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';

const currentVariant = (t: PayloadFields<{ model: ModelShape }>) => ({
  model: t.expose('model', { type: Model, description: 'The variant as it is now.' }),
});

mutation('createModelVariant', {
  description:
    'Creates a variant: a model with a title and options of one’s own, that can be asked wherever its base model can. A variant of one’s own is listed for nobody else, but those who read an answer by it see its title and options, and the audit log names it. A person has at most 100 in a workspace, and there are at most 100 for everybody.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Id of the workspace in which the variant is listed.' }),
    baseModelId: t.id({ required: true, description: 'Id of the model that is asked; itself no variant.' }),
    title: t.string({
      required: true,
      description:
        'Name of the variant for people, 1 to 100 characters, that no other variant of the viewer, or for everybody, has.',
    }),
    options: t.field({ type: AnswerOptionsInput, description: 'Options with which the model is asked.' }),
    forEverybody: t.boolean({
      description:
        'True to list the variant for everybody in the workspace, which its ADMINs may; for the viewer alone if absent.',
    }),
  }),
  errors: [
    errors.InvalidInputError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.ConflictError,
  ],
  run: async (deps, viewer, input) => ({ model: await createModelVariant(deps, viewer, input) }),
  payload: currentVariant,
});

mutation('updateModelVariant', {
  description: 'Changes a variant: one of the viewer’s own or, by an ADMIN, one for everybody.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the variant.' }),
    title: t.string({ description: 'New name of the variant for people, 1 to 100 characters.' }),
    options: t.field({
      type: AnswerOptionsInput,
      description: 'New options. Those left out stay; an explicit null leaves one to the provider.',
    }),
    forEverybody: t.boolean({
      description:
        'True to list the variant for everybody in the workspace; false to make it the viewer’s own. Both take an ADMIN.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ model: await updateModelVariant(deps, viewer, input) }),
  payload: currentVariant,
});

mutation('removeModelVariant', {
  description:
    'Removes a variant for good: one of the viewer’s own or, by an ADMIN, one for everybody. Its answers stay, and show the options with which they were asked.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the variant.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await removeModelVariant(deps, viewer, id) }),
  payload: removedId('removed variant'),
});
