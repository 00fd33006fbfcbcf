import { ProviderRefusedError } from '../answer-error.ts';
import * as errors from '../errors.ts';
import { addApiKey } from '../keys/add.ts';
import { replaceApiKeySecret } from '../keys/replace-secret.ts';
import { ApiKey, currentApiKey } from './api-key.ts';
import { builder } from './builder.ts';
import { Model } from './model.ts';
import { mutation } from './mutation.ts';
import { ProviderName } from './provider.ts';
import { Team } from './team.ts';
import { Workspace } from './workspace.ts';

const SealedSecretInput = builder.inputType('SealedSecretInput', {
  description:
    'A secret that the client sealed, so that nothing between it and the server can read it: a libsodium sealed box over the JSON `{"v":2,"id":"<16 random bytes, base64url>","at":"<ISO 8601, UTC>","owner":"…","provider":"OPENAI","baseUrl":null,"secret":"…","headers":null,"pad":"<spaces up to a multiple of 256 bytes>"}`. `/seal.js` makes one. `headers` is null or, for CUSTOM, an object of further headers to send with the key, e.g. `{"X-Org":"research"}`: at most 16, with 4,096 characters. It is accepted once, and until 24 hours after `at`.',
  fields: (t) => ({
    keyId: t.id({
      required: true,
      description: 'Id of the key pair: the `sealingKey.id` that the box was sealed with.',
    }),
    box: t.string({ required: true, description: 'Sealed box, in base64.' }),
  }),
});

mutation('addApiKey', {
  description:
    'Adds a provider key: checks it with its provider, fetches its models, seals and stores it, within 15 seconds. A refused key is not stored; one whose provider cannot be reached is stored as UNVERIFIED. A workspace has at most 50 keys, and so does a team.',
  inputRule: 'Give either `workspaceId` or `teamId`, and either `secret` or `sealed`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'Id of the workspace that will own the key.' }),
    teamId: t.id({ description: 'Id of the team that will own the key.' }),
    provider: t.field({ type: ProviderName, required: true, description: 'Provider that issued the key.' }),
    label: t.string({
      description: 'Name of the key, up to 100 characters; the provider’s title if absent.',
    }),
    secret: t.string({
      description:
        'The key in plain text, where the server allows that. Space and quotes around it are dropped.',
    }),
    sealed: t.field({
      type: SealedSecretInput,
      description: 'The key, sealed by the client for this workspace or team.',
    }),
    baseUrl: t.string({
      description:
        'Base URL of the server, for CUSTOM only and required there, e.g. `https://llm.example.com/v1`.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'Time from which the key is no longer used; it does not expire if absent.',
    }),
  }),
  errors: [
    errors.InvalidInputError,
    ProviderRefusedError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.StaleSealingKeyError,
    errors.BusyError,
  ],
  run: (deps, viewer, input) => addApiKey(deps, viewer, input),
  payload: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key that was added.' }),
    workspace: t.field({
      type: Workspace,
      nullable: true,
      description: 'Workspace that owns the key. Null if a team does.',
      resolve: ({ tenant }) => (tenant.type === 'workspace' ? tenant : null),
    }),
    team: t.field({
      type: Team,
      nullable: true,
      description: 'Team that owns the key. Null if a workspace does.',
      resolve: ({ tenant }) => (tenant.type === 'team' ? tenant : null),
    }),
    models: t.expose('models', {
      type: [Model],
      description:
        'Models that the key offers, in the provider’s order. Empty if the list could not be fetched: see `apiKey.statusMessage`.',
    }),
    warning: t.exposeString('warning', {
      nullable: true,
      description:
        'Hint for the person if the key looks like one of another provider, e.g. `This looks like a key of Anthropic.` Null otherwise.',
    }),
  }),
});

mutation('replaceApiKeySecret', {
  description:
    'Replaces the secret of a key, which keeps its id and label; answers under way finish with the old one. Headers of a CUSTOM key are replaced too: they have to be sealed with the new secret. The new secret is checked like a new key.',
  inputRule: 'Give either `secret` or `sealed`.',
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the key.' }),
    secret: t.string({ description: 'The new secret in plain text, where the server allows that.' }),
    sealed: t.field({ type: SealedSecretInput, description: 'The new secret, sealed by the client.' }),
    baseUrl: t.string({
      description: 'New base URL, for CUSTOM only. It can change only together with the secret.',
    }),
  }),
  errors: [
    errors.InvalidInputError,
    ProviderRefusedError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.StaleSealingKeyError,
    errors.BusyError,
  ],
  run: async (deps, viewer, input) => ({ apiKey: await replaceApiKeySecret(deps, viewer, input) }),
  payload: currentApiKey,
});
