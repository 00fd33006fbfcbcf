import * as answerErrors from '../answer-error.ts';
import { regenerateAnswer } from '../answers/regenerate-answer.ts';
import { stopAnswer } from '../answers/stop-answer.ts';
import * as errors from '../errors.ts';
import { toAnswerOptions } from '../models/answer-options.ts';
import type { FINISH_REASONS, ProviderName as ProviderNameShape } from '../providers/provider.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import { AnswerOptions, AnswerOptionsInput } from './answer-options.ts';
import { ApiKey, KeyScope } from './api-key.ts';
import { AttachmentUse } from './attachment-use.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { Message } from './message.ts';
import { Model } from './model.ts';
import { mutation } from './mutation.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { AnswerError } from './user-error.ts';

const AnswerStatus = builder.enumType('AnswerStatus', {
  description:
    'Status of an answer. Once it is no longer WRITING it never changes again. May grow: treat an unknown status as one that has ended.',
  values: {
    WRITING: { description: 'The answer is being written.' },
    COMPLETE: { description: 'The answer came to its end.' },
    STOPPED: { description: 'A person stopped the answer. The text so far is kept.' },
    FAILED: { description: 'The answer failed; `error` says why. The text so far is kept.' },
    INTERRUPTED: {
      description: 'The server stopped while the answer was being written. The text so far is kept.',
    },
  } as const,
});

const FinishReason = builder.enumType('FinishReason', {
  description: 'Reason why a model ended its answer. May grow: treat an unknown reason as OTHER.',
  values: {
    STOP: { description: 'The model had said everything.' },
    LENGTH: { description: 'The answer reached a limit of length.' },
    CONTENT_FILTER: { description: 'The provider cut the answer off for reasons of content.' },
    OTHER: { description: 'Another reason; see `providerFinishReason`.' },
  } satisfies Record<(typeof FINISH_REASONS)[number], { description: string }>,
});

const Citation = builder.objectRef<MessageShape['citations'][number]>('Citation').implement({
  description: 'A source that the provider named.',
  fields: (t) => ({
    url: t.exposeString('url', {
      description: 'Address of the source. It comes from the provider: check the scheme before linking.',
    }),
    title: t.exposeString('title', {
      nullable: true,
      description: 'Title of the source. Null if not given.',
    }),
    startOffset: t.exposeInt('startOffset', {
      nullable: true,
      description:
        'Offset in `text` at which the cited passage begins, in UTF-16 code units. Null if not given.',
    }),
    endOffset: t.exposeInt('endOffset', {
      nullable: true,
      description:
        'Offset in `text` before which the cited passage ends, in UTF-16 code units. Null if not given.',
    }),
  }),
});

const Usage = builder.objectRef<MessageShape>('Usage').implement({
  description: 'Tokens of an answer, as the provider counted them.',
  fields: (t) => ({
    inputTokens: t.exposeInt('inputTokens', {
      nullable: true,
      description: 'Number of input tokens, cached ones included. Null if the provider gave none.',
    }),
    outputTokens: t.exposeInt('outputTokens', {
      nullable: true,
      description: 'Number of output tokens, reasoning included. Null if neither counted nor estimated.',
    }),
    cachedInputTokens: t.exposeInt('cachedInputTokens', {
      nullable: true,
      description: 'Number of input tokens that the provider had cached. Null if the provider gave none.',
    }),
    cacheWriteTokens: t.exposeInt('cacheWriteTokens', {
      nullable: true,
      description:
        'Number of input tokens that the provider wrote to its cache, for which some charge more. Null if the provider gave none.',
    }),
    reasoningTokens: t.exposeInt('reasoningTokens', {
      nullable: true,
      description: 'Number of output tokens spent on reasoning. Null if the provider gave none.',
    }),
    isEstimated: t.boolean({
      description: 'True if the provider gave no count and `outputTokens` is a rough one.',
      resolve: (answer) => answer.isUsageEstimated === true,
    }),
  }),
});

const AnswerAttempt = builder
  .objectRef<MessageShape['attempts'][number] & Pick<MessageShape, 'id' | 'provider'>>('AnswerAttempt')
  .implement({
    description: 'One key’s part in an answer: the calls that were made with it, retries included.',
    fields: (t) => ({
      apiKey: t.field({
        type: ApiKey,
        nullable: true,
        description:
          'Key that was asked. Null once the key is removed, and for members who may not manage it.',
        resolve: ({ apiKeyId }, _args, { loaders }) => loaders.apiKeys.load(apiKeyId),
      }),
      startedAt: t.field({
        type: 'DateTime',
        description: 'Time at which the first call with the key began.',
        resolve: ({ startedAt }) => new Date(startedAt),
      }),
      error: t.field({
        type: AnswerError,
        nullable: true,
        description:
          'Error that the last call with the key failed with. Null if the key wrote the answer, or was being asked when the answer was stopped or interrupted.',
        resolve: (attempt, _args, context) => answerErrorOf({ ...attempt, errorRetryAt: null }, context),
      }),
    }),
  });

export const Answer = builder.objectRef<MessageShape>('Answer').implement({
  description: 'A message by a model. Its texts grow while it is WRITING.',
  interfaces: [Node, Message],
  fields: (t) => ({
    status: t.expose('status', { type: AnswerStatus, description: 'Status of the answer.' }),
    model: t.field({
      type: Model,
      nullable: true,
      description: 'Model that wrote the answer. Null if it is gone.',
      resolve: ({ modelId }, _args, { loaders }) => (modelId === null ? null : loaders.models.load(modelId)),
    }),
    modelName: t.exposeString('modelName', {
      nullable: true,
      description: 'Name of that model at its provider when it answered. Null if it is not known.',
    }),
    provider: t.field({
      type: ProviderName,
      nullable: true,
      description: 'Provider that ran the model. Null if it is not known.',
      resolve: ({ provider }) => provider as ProviderNameShape | null,
    }),
    options: t.field({
      type: AnswerOptions,
      description: 'Options with which the model was asked, those of a variant included.',
      resolve: ({ options }) => toAnswerOptions(options),
    }),
    attachmentUses: t.field({
      type: [AttachmentUse],
      description:
        'Files of the conversation up to the answer, the newest 100 at most, oldest first, each once and with the form in which the model was sent it. Decided for each answer before it begins, and never changed. Empty if there were none.',
      resolve: ({ attachmentUses }) => attachmentUses ?? [],
    }),
    paidBy: t.expose('paidBy', {
      type: KeyScope,
      nullable: true,
      description: 'Scope of the key that paid. Null if no key did.',
    }),
    apiKey: t.field({
      type: ApiKey,
      nullable: true,
      description: 'Key that paid. Null once the key is removed, and for members who may not manage it.',
      resolve: ({ apiKeyId }, _args, { loaders }) =>
        apiKeyId === null ? null : loaders.apiKeys.load(apiKeyId),
    }),
    attempts: t.field({
      type: [AnswerAttempt],
      description:
        'Keys that were asked for the answer, in their order, at most three. All but the last failed before the first character. While the answer is WRITING it is empty unless a key has failed. Empty too for answers written before version 0.2.',
      resolve: ({ attempts, id, provider }) => attempts.map((attempt) => ({ ...attempt, id, provider })),
    }),
    error: t.field({
      type: AnswerError,
      nullable: true,
      description: 'Error that the answer ended with if it failed or was interrupted. Null otherwise.',
      resolve: (answer, _args, context) => answerErrorOf(answer, context),
    }),
    usage: t.field({
      type: Usage,
      nullable: true,
      description: 'Number of tokens that the answer took. Null while it is being written.',
      resolve: (answer) => (answer.isUsageEstimated === null ? null : answer),
    }),
    citations: t.expose('citations', { type: [Citation], description: 'Sources that the provider named.' }),
    reasoning: t.exposeString('reasoning', {
      description: 'Thinking that the model shows; blocks are separated by one blank line. Often empty.',
    }),
    finishReason: t.expose('finishReason', {
      type: FinishReason,
      nullable: true,
      description: 'Reason why the model ended the answer. Null unless the answer is COMPLETE.',
    }),
    providerFinishReason: t.exposeString('providerFinishReason', {
      nullable: true,
      description: 'Finish reason in the provider’s own word. Null if the provider gave none.',
    }),
  }),
});

/** A reason why a new answer cannot begin. */
export const sendErrors = [
  errors.InvalidInputError,
  errors.NotPermittedError,
  errors.NotFoundError,
  errors.ModelUnavailableError,
  errors.ConflictError,
  errors.BusyError,
];

mutation('stopAnswer', {
  description:
    'Stops an answer and keeps its text; the provider’s connection is closed at once. Returns once the text is saved. An answer that has already ended is returned as it is.',
  input: (t) => ({ answerId: t.id({ required: true, description: 'Id of the answer.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, { answerId }) => ({ answer: await stopAnswer(deps, viewer, answerId) }),
  payload: (t) => ({
    answer: t.expose('answer', { type: Answer, description: 'The answer as it was saved.' }),
  }),
});

mutation('regenerateAnswer', {
  description: 'Begins another answer to the same message. The first one stays as it is.',
  input: (t) => ({
    answerId: t.id({ required: true, description: 'Id of the answer.' }),
    modelId: t.id({ description: 'Id of another model to ask; the same one if absent.' }),
    options: t.field({
      type: AnswerOptionsInput,
      description:
        'Options of the new answer. A field that is left out is as in the first answer, unless another model is asked that does not take it, or is a variant with an option of its own.',
    }),
  }),
  errors: sendErrors,
  run: async (deps, viewer, input) => ({ answer: await regenerateAnswer(deps, viewer, input) }),
  payload: (t) => ({
    answer: t.expose('answer', { type: Answer, description: 'The new answer, a sibling of the first.' }),
  }),
});

/** The sentence for why an answer failed; null if it did not. */
export async function answerErrorOf(
  {
    id,
    errorCode,
    provider,
    errorRetryAt,
    apiKeyId,
  }: Pick<MessageShape, 'id' | 'errorCode' | 'provider' | 'errorRetryAt' | 'apiKeyId'>,
  context: Context,
): Promise<AnswerErrorFields | null> {
  if (errorCode === null || provider === null) return null;
  const code = answerErrors.answerErrorCode(errorCode);
  const isManager = await managesKey(code, apiKeyId, context);
  const described = describeFailure(code, provider as ProviderNameShape, errorRetryAt, context, isManager);
  return { ...described, answerId: id };
}

/** Whether the viewer may read what a failure says about a key; true where it says nothing about one. */
export async function managesKey(
  code: answerErrors.AnswerErrorCode,
  apiKeyId: string | null,
  { loaders }: Context,
): Promise<boolean> {
  if (!answerErrors.isAboutKey(code)) return true;
  return apiKeyId !== null && (await loaders.apiKeys.load(apiKeyId)) !== null;
}

/** An AnswerError as a plain object: GraphQL takes a returned Error for a thrown one. */
export function describeFailure(
  errorCode: answerErrors.AnswerErrorCode,
  provider: ProviderNameShape,
  errorRetryAt: Date | null,
  { deps }: Context,
  managesKey = true,
): AnswerErrorFields {
  const { title } = deps.providers[provider];
  const error = new answerErrors.AnswerError(errorCode, title, errorRetryAt, managesKey);
  const { name, code, message, fixableBy, retryAt, answerId } = error;
  return { name, code, message, fixableBy, retryAt, answerId };
}

type AnswerErrorFields = Pick<
  answerErrors.AnswerError,
  'name' | 'code' | 'message' | 'fixableBy' | 'retryAt' | 'answerId'
>;
