import * as errors from '../errors.ts';
import { type AddedApiKey, addApiKey } from '../keys/add-api-key.ts';
import { type ApiKey as ApiKeyShape, type KEY_SCOPES, removeApiKey, updateApiKey } from '../keys/api-key.ts';
import { checkApiKey, refreshModels } from '../keys/check-api-key.ts';
import { replaceApiKeySecret } from '../keys/replace-api-key-secret.ts';
import type { KEY_STATUSES } from '../keys/status.ts';
import { statusMessage } from '../keys/status-message.ts';
import type { Model as ModelShape } from '../models/catalogue.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { requireViewer } from './context.ts';
import { Model } from './model.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { User } from './user.ts';
import { Workspace } from './workspace.ts';

export const ApiKey = builder.objectRef<ApiKeyShape>('ApiKey');

export const KeyScope = builder.enumType('KeyScope', {
  description: 'Whose key it is.',
  values: {
    PERSONAL: { description: 'One person’s, used in their personal workspace only.' },
    WORKSPACE: { description: 'A shared workspace’s.' },
    TEAM: { description: 'A team’s, used in all of its workspaces.' },
  } satisfies Record<(typeof KEY_SCOPES)[number], { description: string }>,
});

const KeyStatus = builder.enumType('KeyStatus', {
  description:
    'How a key stands; the first that applies, in this order. It may gain values: keep a default branch.',
  values: {
    NEEDS_REENTRY: { description: 'Its secret is lost and has to be entered again.' },
    SUSPENDED: { description: 'The plan does not include keys at present. Nothing is lost.' },
    DISABLED: { description: 'Somebody switched it off.' },
    EXPIRED: { description: 'It has run out, by its own date or by the provider’s word.' },
    INVALID: { description: 'The provider refused it.' },
    EXHAUSTED: { description: 'The account behind it has no credit or quota left. It is still tried.' },
    RATE_LIMITED: { description: 'The provider limits it for the moment. It is still tried.' },
    UNVERIFIED: { description: 'The provider could not be asked yet.' },
    ACTIVE: { description: 'It works.' },
  } satisfies Record<(typeof KEY_STATUSES)[number], { description: string }>,
});

ApiKey.implement({
  description:
    'A provider key. Only those who may manage keys see it, and nobody ever sees its secret again: no type has a field for it.',
  interfaces: [Node],
  fields: (t) => ({
    provider: t.expose('provider', { type: ProviderName, description: 'Whose key it is at the other end.' }),
    label: t.exposeString('label', { description: 'The name its managers gave it.' }),
    hint: t.exposeString('hint', {
      nullable: true,
      description:
        'The last four characters of the secret, to recognise it by. Null for secrets shorter than 20.',
    }),
    scope: t.expose('scope', { type: KeyScope, description: 'Who uses it.' }),
    status: t.expose('status', { type: KeyStatus, description: 'How it stands.' }),
    statusMessage: t.string({
      nullable: true,
      description: 'Why it stands so and what to do. Null when there is nothing to do.',
      resolve: (apiKey, _args, { deps }) => statusMessage(apiKey, deps.providers[apiKey.provider].title),
    }),
    isEnabled: t.exposeBoolean('isEnabled', { description: 'Whether it is switched on.' }),
    baseUrl: t.string({
      nullable: true,
      description: 'Where a CUSTOM key is sent, and nowhere else. Null for the other providers.',
      resolve: ({ provider, baseUrl }) => (provider === 'CUSTOM' ? baseUrl : null),
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'Who added it. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was added.' }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When an answer last told something about it. Null if the key has not been used yet.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'From when on its managers want it unused. Null for never.',
    }),
    modelsRefreshedAt: t.expose('modelsRefreshedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its list of models was last fetched. Null if that has not worked yet.',
    }),
  }),
});

export const ApiKeyConnection = connectionOf(ApiKey);

const SealedSecretInput = builder.inputType('SealedSecretInput', {
  description:
    'A secret that the client sealed, so that nothing between it and the server can read it: a libsodium sealed box over the JSON `{"v":1,"owner":"…","provider":"OPENAI","baseUrl":null,"secret":"…"}`. `/seal.js` makes one.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The `sealingKey.id` it was sealed with.' }),
    box: t.string({ required: true, description: 'The box in base64.' }),
  }),
});

const AddApiKeyInput = builder.inputType('AddApiKeyInput', {
  description: 'A provider key to add. Give either `secret` or `sealed`.',
  fields: (t) => ({
    workspaceId: t.id({ required: true, description: 'The workspace that will own it.' }),
    provider: t.field({ type: ProviderName, required: true, description: 'Whose key it is.' }),
    label: t.string({ description: 'A name for it, up to 100 characters; the provider’s title if absent.' }),
    secret: t.string({
      description: 'The key as it is, where the server allows that. Space and quotes around it are dropped.',
    }),
    sealed: t.field({
      type: SealedSecretInput,
      description: 'The key, sealed by the client for this workspace.',
    }),
    baseUrl: t.string({
      description:
        'For CUSTOM only, and required there: the base URL of the server, e.g. `https://llm.example.com/v1`.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'From when on it is not to be used; never if absent.',
    }),
  }),
});

const AddApiKeyPayload = builder.objectRef<AddedApiKey>('AddApiKeyPayload').implement({
  description: 'A key that was added.',
  fields: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key.' }),
    workspace: t.expose('workspace', { type: Workspace, description: 'The workspace that owns it.' }),
    models: t.expose('models', {
      type: [Model],
      description:
        'What it offers, in the provider’s order. Empty if the list could not be fetched: see `apiKey.statusMessage`.',
    }),
    warning: t.exposeString('warning', {
      nullable: true,
      description:
        'A hint for the person if the key looks like another provider’s, e.g. `This looks like a key of Anthropic.`; null otherwise.',
    }),
  }),
});

builder.mutationField('addApiKey', (t) =>
  t.field({
    type: AddApiKeyPayload,
    description:
      'Adds a provider key: checks it with its provider, fetches its models, seals and stores it, within 15 seconds. A refused key is not stored; one whose provider cannot be reached is stored as UNVERIFIED.',
    args: { input: t.arg({ type: AddApiKeyInput, required: true, description: 'The key.' }) },
    errors: {
      types: [
        errors.InvalidInputError,
        errors.ProviderRefusedError,
        errors.PlanRequiredError,
        errors.NotPermittedError,
        errors.NotFoundError,
        errors.StaleSealingKeyError,
        errors.BusyError,
      ],
    },
    resolve: (_root, { input }, context) => addApiKey(context.deps, requireViewer(context), input),
  }),
);

const apiKeyPayload = (name: string, description: string) =>
  builder.objectRef<{ apiKey: ApiKeyShape }>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key as it stands now.' }),
    }),
  });

const CheckApiKeyInput = builder.inputType('CheckApiKeyInput', {
  description: 'Which key to check.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the key.' }) }),
});

builder.mutationField('checkApiKey', (t) =>
  t.field({
    type: apiKeyPayload('CheckApiKeyPayload', 'A key that was checked.'),
    description:
      'Asks the provider again whether it accepts a key, and fetches its models. What it says becomes the status.',
    args: { input: t.arg({ type: CheckApiKeyInput, required: true, description: 'Which key.' }) },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.BusyError, errors.AnswerError] },
    resolve: async (_root, { input }, context) => ({
      apiKey: await checkApiKey(context.deps, requireViewer(context), input.id),
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

const ReplaceApiKeySecretInput = builder.inputType('ReplaceApiKeySecretInput', {
  description: 'A new secret for a key. Give either `secret` or `sealed`.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the key.' }),
    secret: t.string({ description: 'The new secret as it is, where the server allows that.' }),
    sealed: t.field({ type: SealedSecretInput, description: 'The new secret, sealed by the client.' }),
    baseUrl: t.string({
      description: 'For CUSTOM only: another base URL. It can change only together with the secret.',
    }),
  }),
});

builder.mutationField('replaceApiKeySecret', (t) =>
  t.field({
    type: apiKeyPayload('ReplaceApiKeySecretPayload', 'A key with a new secret.'),
    description:
      'Puts a new secret into a key, which keeps its id and label; answers under way finish with the old one. Checked like a new key.',
    args: {
      input: t.arg({ type: ReplaceApiKeySecretInput, required: true, description: 'The new secret.' }),
    },
    errors: {
      types: [
        errors.InvalidInputError,
        errors.ProviderRefusedError,
        errors.PlanRequiredError,
        errors.NotPermittedError,
        errors.NotFoundError,
        errors.StaleSealingKeyError,
        errors.BusyError,
      ],
    },
    resolve: async (_root, { input }, context) => ({
      apiKey: await replaceApiKeySecret(context.deps, requireViewer(context), input),
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
        description: 'What it offered. Those that no other key offers are now unavailable.',
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
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.BusyError, errors.AnswerError] },
    resolve: async (_root, { input }, context) => ({
      models: await refreshModels(context.deps, requireViewer(context), input.apiKeyId),
    }),
  }),
);
