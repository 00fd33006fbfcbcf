import { ProviderRefusedError, ProviderUnavailableError } from '../answer-error.ts';
import * as errors from '../errors.ts';
import { addModel } from '../keys/add-model.ts';
import { Model } from './model.ts';
import { mutation } from './mutation.ts';

mutation('addModel', {
  description:
    'Adds a model by its name at the provider, e.g. a fine-tuned one, or one of a server that lists none. The model is asked for a word to see that it is there, and stays when the list of the key is fetched again. Its `tenant` is that of the key.',
  input: (t) => ({
    apiKeyId: t.id({ required: true, description: 'Id of the key through which the model is asked.' }),
    name: t.string({
      required: true,
      description: 'Name of the model at its provider, exactly as the provider spells it.',
    }),
    title: t.string({
      description:
        'Name of the model for people, up to 100 characters; `name` if absent. The provider’s own title goes before it.',
    }),
  }),
  errors: [
    errors.InvalidInputError,
    ProviderRefusedError,
    ProviderUnavailableError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.BusyError,
  ],
  run: async (deps, viewer, input) => ({ model: await addModel(deps, viewer, input) }),
  payload: (t) => ({
    model: t.expose('model', { type: Model, description: 'The model, which can be asked from now on.' }),
  }),
});
