import * as answerErrors from '../answer-error.ts';
import * as errors from '../errors.ts';
import type { Model as ModelShape } from '../models/catalogue.ts';
import type { ProviderName as ProviderNameShape } from '../providers/provider.ts';
import { ApiKey } from './api-key.ts';
import { builder } from './builder.ts';
import type { Loaders } from './context.ts';
import { Model } from './model.ts';
import { ProviderName } from './provider.ts';
import { Plan, Role, SealingKey } from './workspace.ts';

export const ErrorCode = builder.enumType('ErrorCode', {
  description:
    'Code of an error, for programs. May grow: handle an unknown code by `message` and `fixableBy`.',
  values: {
    INVALID_KEY: { description: 'The provider does not know or accept the key.' },
    KEY_EXPIRED: { description: 'The key was good and has run out.' },
    KEY_LACKS_PERMISSION: { description: 'The provider knows the key but does not allow it to do this.' },
    MODEL_NOT_FOUND: { description: 'The provider has no model of this name, or not for this key.' },
    MODEL_UNAVAILABLE: { description: 'The model exists but is not offered at the moment, or was retired.' },
    QUOTA_EXCEEDED: { description: 'The credit, budget or quota at the provider is used up.' },
    RATE_LIMITED: { description: 'The provider limits how often the key is used; waiting helps.' },
    CONTEXT_TOO_LONG: { description: 'The conversation does not fit into the model.' },
    CONTENT_FILTERED: { description: 'The provider declined for reasons of content.' },
    BAD_REQUEST: {
      description: 'The provider did not accept the request, or has nothing at this address (base URL).',
    },
    PROVIDER_OVERLOADED: { description: 'The provider is overloaded at the moment.' },
    PROVIDER_ERROR: { description: 'The provider failed in a way that has no other code.' },
    NETWORK: { description: 'The provider could not be reached.' },
    TIMEOUT: { description: 'The provider did not answer in time.' },
    STREAM_CUT: { description: 'The provider broke off in mid-answer.' },
    OUTPUT_TOO_LARGE: { description: 'The answer grew too large to keep.' },
    EMPTY_ANSWER: { description: 'The provider ended the answer without any text.' },
    FILE_UNREADABLE: { description: 'A file of the conversation could not be read on this server.' },
    INTERRUPTED: { description: 'The server stopped in mid-answer.' },
    NO_MODELS: { description: 'The provider lists no model that can chat for the key.' },
    NO_KEY: { description: 'No usable key offers the model here.' },
    KEY_REMOVED: { description: 'The key was removed or switched off in mid-answer.' },
    KEY_UNAVAILABLE: { description: 'The stored key cannot be opened on this server.' },
    PLAN_REQUIRED: { description: 'The plan does not include this.' },
    NOT_PERMITTED: {
      description:
        'The viewer’s role does not allow this. On an answer: the person who asked for it lost the right to write while it was being written.',
    },
    BUDGET_EXCEEDED: { description: 'Reserved, not in use yet: a budget set in Latchkey is used up.' },
    NOT_FOUND: {
      description: 'The object does not exist, or the viewer may not see it; the two look the same.',
    },
    BAD_INPUT: { description: 'A value of the input cannot be used.' },
    CONFLICT: {
      description: 'The request does not fit the present state; `message` says why.',
    },
    BUSY: { description: 'A limit of this server is reached for the moment.' },
    STALE_SEALING_KEY: { description: 'The secret was sealed for a key pair that is no longer in use.' },
  } satisfies Record<errors.ErrorCode, { description: string }>,
});

const FixableBy = builder.enumType('FixableBy', {
  description: 'Person or party that can fix an error. May grow: treat an unknown value as NOBODY.',
  values: {
    YOU: { description: 'The viewer: by waiting, by other input or by another model.' },
    KEY_MANAGER: { description: 'A member who may manage the key.' },
    WORKSPACE_ADMIN: { description: 'An OWNER or ADMIN of the workspace or team.' },
    OPERATOR: { description: 'The operator of this server.' },
    PROVIDER: { description: 'The provider; trying again later may help.' },
    NOBODY: { description: 'Reserved, not in use yet: nobody can fix the error.' },
  } satisfies Record<errors.FixableBy, { description: string }>,
});

export const UserError = builder.interfaceRef<errors.UserError>('UserError').implement({
  description: 'An error that a person can fix. May grow: show the `message` of an unknown error.',
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'Code of the error, for programs.' }),
    message: t.exposeString('message', {
      description:
        'Sentences that say what happened and what to do, in English, fit to be shown. They never contain a key or a provider’s own text.',
    }),
    fixableBy: t.expose('fixableBy', {
      type: FixableBy,
      description: 'Person or party that can fix the error.',
    }),
    retryAt: t.expose('retryAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Time from which the same request may succeed unchanged. Null if waiting does not help or the time is unknown.',
    }),
  }),
});

const InvalidField = builder.objectRef<errors.InvalidField>('InvalidField').implement({
  description: 'An input field that cannot be used.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Path of the field, dotted, e.g. `modelIds`.' }),
    message: t.exposeString('message', {
      description: 'Sentence that says what is wrong and what to give instead.',
    }),
  }),
});

export const InvalidInputError = builder.objectType(errors.InvalidInputError, {
  name: 'InvalidInputError',
  description: 'The input cannot be used as it is. Nothing was changed.',
  interfaces: [UserError],
  fields: (t) => ({
    fields: t.field({
      type: [InvalidField],
      description: 'Fields that cannot be used, each with the reason.',
      resolve: (error) => [...error.fields],
    }),
  }),
});

export const ProviderRefusedError = builder.objectType(answerErrors.ProviderRefusedError, {
  name: 'ProviderRefusedError',
  description:
    'The provider definitely refused the key, or a model that was to be added. A new secret or model was not stored; a stored key that was refused has the status for it.',
  interfaces: [UserError],
  fields: (t) => ({
    provider: t.field({
      type: ProviderName,
      description: 'Provider that refused the key or model.',
      resolve: (error) => error.provider as ProviderNameShape,
    }),
    storedApiKey: t.field({
      type: ApiKey,
      nullable: true,
      description: 'The stored key that was used, as it is now. Null if a new secret was refused.',
      resolve: ({ apiKeyId }, _args, { loaders }) =>
        apiKeyId === null ? null : loaders.apiKeys.load(apiKeyId),
    }),
  }),
});

export const ProviderUnavailableError = builder.objectType(answerErrors.ProviderUnavailableError, {
  name: 'ProviderUnavailableError',
  description:
    'The provider could not be asked about a stored key, or said nothing about it; `code` says why. The key is as it was.',
  interfaces: [UserError],
  fields: (t) => ({
    provider: t.field({
      type: ProviderName,
      description: 'Provider of the key.',
      resolve: (error) => error.provider as ProviderNameShape,
    }),
  }),
});

export const PlanRequiredError = builder.objectType(errors.PlanRequiredError, {
  name: 'PlanRequiredError',
  description: 'The plan of the payer does not include this.',
  interfaces: [UserError],
  fields: (t) => ({
    requiredPlan: t.expose('requiredPlan', { type: Plan, description: 'Least plan that includes it.' }),
  }),
});

export const NotPermittedError = builder.objectType(errors.NotPermittedError, {
  name: 'NotPermittedError',
  description: 'The viewer may not do this: their role is too low, or only the operator of the server may.',
  interfaces: [UserError],
  fields: (t) => ({
    requiredRole: t.expose('requiredRole', {
      type: Role,
      nullable: true,
      description: 'Least role that may do this. Null if only the operator of the server may.',
    }),
  }),
});

export const NotFoundError = builder.objectType(errors.NotFoundError, {
  name: 'NotFoundError',
  description: 'The object does not exist, or the viewer may not see it.',
  interfaces: [UserError],
});

export const ConflictError = builder.objectType(errors.ConflictError, {
  name: 'ConflictError',
  description: 'The request does not fit the present state; `message` says why.',
  interfaces: [UserError],
});

export const ModelUnavailableError = builder.objectType(errors.ModelUnavailableError, {
  name: 'ModelUnavailableError',
  description:
    'A model cannot be asked now, or not with so long a conversation (CONTEXT_TOO_LONG); `code` says why.',
  interfaces: [UserError],
  fields: (t) => ({
    suggestions: t.field({
      type: [Model],
      description:
        'Models of the same workspace that can be asked: the replacement that the provider names, then those of the most similar name.',
      resolve: (error, _args, { loaders }) => loadModels(loaders, error.suggestions),
    }),
  }),
});

export const StaleSealingKeyError = builder.objectType(errors.StaleSealingKeyError, {
  name: 'StaleSealingKeyError',
  description:
    'The secret was sealed for a key pair that is no longer in use. Seal it again with `sealingKey`.',
  interfaces: [UserError],
  fields: (t) => ({
    sealingKey: t.expose('sealingKey', { type: SealingKey, description: 'Public key to seal with now.' }),
  }),
});

export const BusyError = builder.objectType(errors.BusyError, {
  name: 'BusyError',
  description: 'A limit of this server is reached for the moment.',
  interfaces: [UserError],
});

export const AnswerError = builder.objectType(answerErrors.AnswerError, {
  name: 'AnswerError',
  description: 'An answer failed; `code` says why.',
  interfaces: [UserError],
  fields: (t) => ({
    suggestions: t.field({
      type: [Model],
      description:
        'Models of the same workspace that can be asked instead: the replacement that the provider names, then those of the most similar name. Empty unless the model itself is what is missing: MODEL_NOT_FOUND or MODEL_UNAVAILABLE.',
      resolve: async ({ answerId }, _args, { loaders }) =>
        answerId === null ? [] : loadModels(loaders, (await loaders.suggestions.load(answerId)) ?? []),
    }),
  }),
});

async function loadModels(loaders: Loaders, ids: readonly string[]): Promise<ModelShape[]> {
  const models = await Promise.all(ids.map((id) => loaders.models.load(id)));
  return models.filter((model) => model !== null);
}
