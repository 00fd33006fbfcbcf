import * as answerErrors from '../answer-error.ts';
import * as errors from '../errors.ts';
import type { FINISH_REASONS, ProviderName as ProviderNameShape } from '../providers/provider.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import { ApiKey, KeyScope } from './api-key.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import type { Context } from './context.ts';
import { Model } from './model.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { Thread } from './thread.ts';
import { User } from './user.ts';
import { AnswerError } from './user-error.ts';

export const Message = builder.objectRef<MessageShape>('Message');

const MessageRole = builder.enumType('MessageRole', {
  description: 'Author of a message: a person or a model.',
  values: {
    USER: { description: 'A person wrote the message.' },
    ASSISTANT: { description: 'A model wrote the message, which is an answer.' },
  } as const,
});

const MessageStatus = builder.enumType('MessageStatus', {
  description:
    'Status of an answer. Once it is no longer WRITING it never changes again. May grow: treat an unknown status as one that has ended.',
  values: {
    WRITING: { description: 'The answer is being written.' },
    COMPLETE: { description: 'The answer came to its end. Messages of people are always COMPLETE.' },
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
    reasoningTokens: t.exposeInt('reasoningTokens', {
      nullable: true,
      description: 'Number of output tokens spent on reasoning. Null if the provider gave none.',
    }),
    isEstimated: t.boolean({
      description: 'True if the provider gave no count and `outputTokens` is a rough one.',
      resolve: (message) => message.isUsageEstimated === true,
    }),
  }),
});

Message.implement({
  description: 'A message in a thread, by a person or by a model. One by a model is an answer.',
  interfaces: [Node],
  fields: (t) => ({
    thread: t.field({
      type: Thread,
      description: 'Thread that the message belongs to.',
      resolve: async ({ threadId }, _args, { loaders }) => {
        const thread = await loaders.threads.load(threadId);
        // It was visible a moment ago.
        if (thread === null) throw new errors.NotFoundError('thread');
        return thread;
      },
    }),
    parent: t.field({
      type: Message,
      nullable: true,
      description: 'Message that this one replies to. Null for the first message of a thread.',
      resolve: ({ parentId }, _args, { loaders }) =>
        parentId === null ? null : loaders.messages.load(parentId),
    }),
    role: t.expose('role', { type: MessageRole, description: 'Role of the author: a person or a model.' }),
    status: t.expose('status', {
      type: MessageStatus,
      description: 'Status of the message; COMPLETE for messages of people.',
    }),
    text: t.exposeString('text', {
      description:
        'Text of the message, usually Markdown; while an answer is being written, the text so far.',
    }),
    reasoning: t.exposeString('reasoning', {
      description: 'Thinking that the model shows; blocks are separated by one blank line. Often empty.',
    }),
    citations: t.expose('citations', { type: [Citation], description: 'Sources that the provider named.' }),
    finishReason: t.expose('finishReason', {
      type: FinishReason,
      nullable: true,
      description: 'Reason why the model ended the answer. Null unless the answer is COMPLETE.',
    }),
    providerFinishReason: t.exposeString('providerFinishReason', {
      nullable: true,
      description: 'Finish reason in the provider’s own word. Null if the provider gave none.',
    }),
    author: t.field({
      type: User,
      nullable: true,
      description: 'User who wrote the message or asked for the answer. Null if that account is gone.',
      resolve: ({ authorId }, _args, { loaders }) =>
        authorId === null ? null : loaders.users.load(authorId),
    }),
    model: t.field({
      type: Model,
      nullable: true,
      description: 'Model that wrote the answer. Null for messages of people.',
      resolve: ({ modelId }, _args, { loaders }) => (modelId === null ? null : loaders.models.load(modelId)),
    }),
    modelName: t.exposeString('modelName', {
      nullable: true,
      description: 'Name of that model at its provider when it answered. Null for messages of people.',
    }),
    provider: t.field({
      type: ProviderName,
      nullable: true,
      description: 'Provider that ran the model. Null for messages of people.',
      resolve: ({ provider }) => provider as ProviderNameShape | null,
    }),
    paidBy: t.expose('paidBy', {
      type: KeyScope,
      nullable: true,
      description: 'Scope of the key that paid. Null for messages of people.',
    }),
    apiKey: t.field({
      type: ApiKey,
      nullable: true,
      description:
        'Key that paid. Null for messages of people, once the key is removed, and for members who may not manage it.',
      resolve: ({ apiKeyId }, _args, { loaders }) =>
        apiKeyId === null ? null : loaders.apiKeys.load(apiKeyId),
    }),
    error: t.field({
      type: AnswerError,
      nullable: true,
      description: 'Error that the answer ended with if it failed or was interrupted. Null otherwise.',
      resolve: (message, _args, context) => answerErrorOf(message, context),
    }),
    usage: t.field({
      type: Usage,
      nullable: true,
      description:
        'Number of tokens that the answer took. Null for messages of people and while an answer is being written.',
      resolve: (message) => (message.isUsageEstimated === null ? null : message),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the message was sent or the answer begun.',
    }),
  }),
});

export const MessageConnection = connectionOf(Message);

/** Why an answer failed, in words for whoever reads it; null if it did not. */
export async function answerErrorOf(
  { errorCode, provider, errorRetryAt, apiKeyId }: MessageShape,
  context: Context,
): Promise<AnswerErrorFields | null> {
  if (errorCode === null || provider === null) return null;
  const code = answerErrors.answerErrorCode(errorCode);
  const managed = apiKeyId === null ? null : await context.loaders.apiKeys.load(apiKeyId);
  return describeFailure(code, provider as ProviderNameShape, errorRetryAt, context, managed !== null);
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
  const { name, code, message, fixableBy, retryAt } = error;
  return { name, code, message, fixableBy, retryAt };
}

type AnswerErrorFields = Pick<
  answerErrors.AnswerError,
  'name' | 'code' | 'message' | 'fixableBy' | 'retryAt'
>;
