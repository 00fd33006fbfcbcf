import { AnswerError } from '../answer-error.ts';
import * as errors from '../errors.ts';
import type { ApiKey as ApiKeyShape } from '../keys/api-key.ts';
import { checkApiKey, refreshModels } from '../keys/check.ts';
import { removeApiKey } from '../keys/remove.ts';
import { updateApiKey } from '../keys/update.ts';
import type { Model as ModelShape } from '../models/catalogue.ts';
import { apiKeyPayload } from './api-key.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { Model } from './model.ts';

const CheckApiKeyInput = builder.inputType('CheckApiKeyInput', {
  description: 'Which key to check.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the key.' }) }),
});

builder.mutationField('checkApiKey', (t) =>
  t.field({
    type: apiKeyPayload('CheckApiKeyPayload', 'A key that was checked.'),
    description:
      'Asks the provider again whether it accepts a key, and fetches its models. What it says becomes the status; if it could not be asked, the result is AnswerError and the key stands as before.',
    args: { input: t.arg({ type: CheckApiKeyInput, required: true, description: 'Which key.' }) },
    errors: {
      types: [
        errors.PlanRequiredError,
        errors.NotPermittedError,
        errors.NotFoundError,
        errors.BusyError,
        AnswerError,
      ],
    },
    resolve: async (_root, { input }, context) => ({
      apiKey: await checkApiKey(context.deps, requireViewer(context), input.id),
    }),
  }),
);

const RefreshModelsInput = builder.inputType('RefreshModelsInput', {
  description: 'Whose models to fetch.',
  fields: (t) => ({ apiKeyId: t.id({ required: true, description: 'Id of the key.' }) }),
});

const RefreshModelsPayload = builder.objectRef<{ models: ModelShape[] }>('RefreshModelsPayload').implement({
  description: 'A list of models that was fetched anew.',
  fields: (t) => ({
    models: t.expose('models', {
      type: [Model],
      description: 'What the key offers now, in the provider’s order.',
    }),
  }),
});

builder.mutationField('refreshModels', (t) =>
  t.field({
    type: RefreshModelsPayload,
    description: 'Fetches anew which models a key offers.',
    args: { input: t.arg({ type: RefreshModelsInput, required: true, description: 'Which key.' }) },
    errors: {
      types: [
        errors.PlanRequiredError,
        errors.NotPermittedError,
        errors.NotFoundError,
        errors.BusyError,
        AnswerError,
      ],
    },
    resolve: async (_root, { input }, context) => ({
      models: await refreshModels(context.deps, requireViewer(context), input.apiKeyId),
    }),
  }),
);

const UpdateApiKeyInput = builder.inputType('UpdateApiKeyInput', {
  description: 'What to change about a key. Fields left out stay as they are.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the key.' }),
    label: t.string({ description: 'A new name, up to 100 characters.' }),
    isEnabled: t.boolean({
      description: 'False to switch it off, which ends the answers it is paying for; true to switch it on.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'From when on it is not to be used; an explicit null for never.',
    }),
    position: t.int({
      description:
        'Where to put it among the owner’s keys of its provider, from 1; the others close up. A number beyond the last place means the last.',
    }),
  }),
});

builder.mutationField('updateApiKey', (t) =>
  t.field({
    type: apiKeyPayload('UpdateApiKeyPayload', 'A key that was changed.'),
    description: 'Changes what is known about a key besides its secret.',
    args: { input: t.arg({ type: UpdateApiKeyInput, required: true, description: 'What to change.' }) },
    errors: { types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError] },
    resolve: async (_root, { input }, context) => ({
      apiKey: await updateApiKey(context.deps, requireViewer(context), input),
    }),
  }),
);

const RemoveApiKeyInput = builder.inputType('RemoveApiKeyInput', {
  description: 'Which key to remove.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the key.' }) }),
});

const RemoveApiKeyPayload = builder
  .objectRef<{ apiKey: ApiKeyShape; models: ModelShape[] }>('RemoveApiKeyPayload')
  .implement({
    description: 'A key that was removed.',
    fields: (t) => ({
      removedId: t.id({ description: 'Id of the removed key.', resolve: ({ apiKey }) => apiKey.id }),
      models: t.expose('models', {
        type: [Model],
        description: 'What it offered. Those that no other usable key offers are now unavailable.',
      }),
    }),
  });

builder.mutationField('removeApiKey', (t) =>
  t.field({
    type: RemoveApiKeyPayload,
    description:
      'Removes a key for good. Its models can no longer be asked through it, answers it is paying for end within a second, and old threads stay readable.',
    args: { input: t.arg({ type: RemoveApiKeyInput, required: true, description: 'Which key.' }) },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError] },
    resolve: (_root, { input }, context) => removeApiKey(context.deps, requireViewer(context), input.id),
  }),
);
