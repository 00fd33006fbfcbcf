import { ProviderRefusedError, ProviderUnavailableError } from '../answer-error.ts';
import * as errors from '../errors.ts';
import { checkApiKey } from '../keys/check.ts';
import { removeApiKey } from '../keys/remove.ts';
import { updateApiKey } from '../keys/update.ts';
import { currentApiKey } from './api-key.ts';
import { Model } from './model.ts';
import { LEFT_OUT, mutation } from './mutation.ts';

mutation('checkApiKey', {
  description:
    'Asks the provider again whether it accepts a key, and fetches its models. The reply becomes the status of the key, a definite refusal too; if the provider could not be asked, the key stays as it was.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the key.' }) }),
  errors: [
    ProviderRefusedError,
    ProviderUnavailableError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.BusyError,
  ],
  run: (deps, viewer, { id }) => checkApiKey(deps, viewer, id),
  payload: (t) => ({
    ...currentApiKey(t),
    models: t.expose('models', {
      type: [Model],
      description:
        'Models that the key offers now, in the provider’s order. Those of the last list if this one could not be fetched: see `apiKey.statusMessage`.',
    }),
  }),
});

mutation('updateApiKey', {
  description: 'Changes a key without changing its secret.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the key.' }),
    label: t.string({ description: 'New name of the key, up to 100 characters.' }),
    isEnabled: t.boolean({
      description:
        'True to switch the key on; false to switch it off, which ends the answers it is paying for.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'Time from which the key is no longer used; an explicit null if it shall not expire.',
    }),
    position: t.int({
      description:
        'New place of the key among those of its provider in its workspace or team, from 1; the others are renumbered. A number beyond the last place means the last.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ apiKey: await updateApiKey(deps, viewer, input) }),
  payload: currentApiKey,
});

mutation('removeApiKey', {
  description:
    'Removes a key for good. Its models can no longer be asked through it, answers that it is paying for end within a second, and old threads stay readable.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the key.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: (deps, viewer, { id }) => removeApiKey(deps, viewer, id),
  payload: (t) => ({
    removedId: t.id({ description: 'Id of the removed key.', resolve: ({ apiKey }) => apiKey.id }),
    models: t.expose('models', {
      type: [Model],
      description: 'Models that the key offered. Those that no other usable key offers are now unavailable.',
    }),
  }),
});
