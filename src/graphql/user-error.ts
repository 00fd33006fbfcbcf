import * as answerErrors from '../answer-error.ts';
import * as errors from '../errors.ts';
import type { ProviderName as ProviderNameShape } from '../providers/provider.ts';
import { builder } from './builder.ts';
import { Model } from './model.ts';
import { ProviderName } from './provider.ts';
import { Plan, Role, SealingKey } from './workspace.ts';

export const ErrorCode = builder.enumType('ErrorCode', {
  description: 'What went wrong, for programs. It may gain values: keep a default branch.',
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
    PROVIDER_OVERLOADED: { description: 'The provider is overloaded.' },
    PROVIDER_ERROR: { description: 'The provider failed.' },
    NETWORK: { description: 'The provider could not be reached.' },
    TIMEOUT: { description: 'The provider did not answer in time.' },
    STREAM_CUT: { description: 'The provider broke off in mid-answer.' },
    OUTPUT_TOO_LARGE: { description: 'The answer grew too large to keep.' },
    EMPTY_ANSWER: { description: 'The provider ended the answer without any text.' },
    INTERRUPTED: { description: 'The server stopped in mid-answer.' },
    NO_MODELS: { description: 'The provider lists no model that can chat for the key.' },
    NO_KEY: { description: 'No usable key offers the model here.' },
    KEY_REMOVED: { description: 'The key was removed or switched off in mid-answer.' },
    KEY_UNAVAILABLE: { description: 'The stored key cannot be opened on this server.' },
    PLAN_REQUIRED: { description: 'The plan does not include this.' },
    NOT_PERMITTED: {
      description:
        'The viewer’s role does not allow this. On an answer: whoever asked for it lost the right to while it was being written.',
    },
    BUDGET_EXCEEDED: { description: 'A budget set in Latchkey is used up.' },
    NOT_FOUND: {
      description: 'There is no such thing, or the viewer may not see it; the two are never told apart.',
    },
    BAD_INPUT: { description: 'A value of the input cannot be used.' },
    CONFLICT: {
      description: 'The request does not fit how things stand; `message` says why.',
    },
    BUSY: { description: 'A limit of this server is reached for the moment.' },
    STALE_SEALING_KEY: { description: 'The secret was sealed for a key pair that is no longer in use.' },
  } satisfies Record<errors.ErrorCode, { description: string }>,
});

const FixableBy = builder.enumType('FixableBy', {
  description: 'Who can mend it. It may gain values: keep a default branch.',
  values: {
    YOU: { description: 'The viewer: by waiting, by other input or by another model.' },
    KEY_MANAGER: { description: 'Whoever may manage the key.' },
    WORKSPACE_ADMIN: { description: 'An owner or admin of the workspace or team.' },
    OPERATOR: { description: 'Whoever runs this server.' },
    PROVIDER: { description: 'The provider; trying again later may help.' },
    NOBODY: { description: 'Nobody.' },
  } satisfies Record<errors.FixableBy, { description: string }>,
});

export const UserError = builder.interfaceRef<errors.UserError>('UserError').implement({
  description: 'An error that somebody can mend.',
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'What went wrong, for programs.' }),
    message: t.exposeString('message', {
      description:
        'What happened and what to do, in English, fit to be shown. Never contains a key or a provider’s own text.',
    }),
    fixableBy: t.expose('fixableBy', { type: FixableBy, description: 'Who can mend it.' }),
    retryAt: t.expose('retryAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When the same request may succeed unchanged. Null if waiting does not help or nobody knows.',
    }),
  }),
});

const InvalidField = builder.objectRef<errors.InvalidField>('InvalidField').implement({
  description: 'An input field that cannot be used.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Which field, dotted, e.g. `modelIds`.' }),
    message: t.exposeString('message', { description: 'What is wrong and what to give instead.' }),
  }),
});

export const InvalidInputError = builder.objectType(errors.InvalidInputError, {
  name: 'InvalidInputError',
  description: 'The input cannot be used as it is. Nothing was changed.',
  interfaces: [UserError],
  fields: (t) => ({
    fields: t.field({
      type: [InvalidField],
      description: 'What is wrong with which field.',
      resolve: (error) => [...error.fields],
    }),
  }),
});

export const ProviderRefusedError = builder.objectType(answerErrors.ProviderRefusedError, {
  name: 'ProviderRefusedError',
  description: 'The provider definitely refused the key. Nothing was stored.',
  interfaces: [UserError],
  fields: (t) => ({
    provider: t.field({
      type: ProviderName,
      description: 'Who refused.',
      resolve: (error) => error.provider as ProviderNameShape,
    }),
  }),
});

export const PlanRequiredError = builder.objectType(errors.PlanRequiredError, {
  name: 'PlanRequiredError',
  description: 'The plan of the payer does not include this.',
  interfaces: [UserError],
  fields: (t) => ({
    requiredPlan: t.expose('requiredPlan', { type: Plan, description: 'The least plan that does.' }),
  }),
});

export const NotPermittedError = builder.objectType(errors.NotPermittedError, {
  name: 'NotPermittedError',
  description: 'The viewer may not do this: their role is too low, or only whoever runs the server may.',
  interfaces: [UserError],
  fields: (t) => ({
    requiredRole: t.expose('requiredRole', {
      type: Role,
      nullable: true,
      description: 'The least role that may. Null if only whoever runs the server may.',
    }),
  }),
});

export const NotFoundError = builder.objectType(errors.NotFoundError, {
  name: 'NotFoundError',
  description: 'There is no such thing, or the viewer may not see it.',
  interfaces: [UserError],
});

export const ConflictError = builder.objectType(errors.ConflictError, {
  name: 'ConflictError',
  description: 'The request does not fit how things stand; `message` says why.',
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
      description: 'Models of the same workspace that can be asked, those of the most similar name first.',
      resolve: async (error, _args, { loaders }) => {
        const models = await Promise.all(error.suggestions.map((id) => loaders.models.load(id)));
        return models.filter((model) => model !== null);
      },
    }),
  }),
});

export const StaleSealingKeyError = builder.objectType(errors.StaleSealingKeyError, {
  name: 'StaleSealingKeyError',
  description:
    'The secret was sealed for a key pair that is no longer in use. Seal it again with `sealingKey`.',
  interfaces: [UserError],
  fields: (t) => ({
    sealingKey: t.expose('sealingKey', { type: SealingKey, description: 'The one to seal with now.' }),
  }),
});

export const BusyError = builder.objectType(errors.BusyError, {
  name: 'BusyError',
  description: 'A limit of this server is reached for the moment.',
  interfaces: [UserError],
});

export const AnswerError = builder.objectType(answerErrors.AnswerError, {
  name: 'AnswerError',
  description: 'Why an answer failed, or why a provider could not be asked.',
  interfaces: [UserError],
});
