import * as errors from '../errors.ts';
import { setModelPreference } from '../models/preference.ts';
import { Model } from './model.ts';
import { LEFT_OUT, mutation } from './mutation.ts';

mutation('setModelPreference', {
  description:
    'Makes a model a favourite, or hides it in lists. What a person sets for themselves goes before what is set for everybody. A hidden model can still be asked.',
  inputRule: `${LEFT_OUT} An explicit null removes a preference.`,
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Id of the workspace in which the model is listed.' }),
    modelId: t.id({ required: true, description: 'Id of the model.' }),
    isFavorite: t.boolean({
      description: 'True if the model is a favourite, which is listed among the first.',
    }),
    isHidden: t.boolean({ description: 'True if the model is left out of lists.' }),
    forEverybody: t.boolean({
      description:
        'True to set this for everybody in the workspace or team that the model belongs to, which its ADMINs may; for the viewer alone if absent.',
    }),
  }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ model: await setModelPreference(deps, viewer, input) }),
  payload: (t) => ({
    model: t.expose('model', { type: Model, description: 'The model as it is now shown to the viewer.' }),
  }),
});
