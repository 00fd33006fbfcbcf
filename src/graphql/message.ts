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
  description: 'Who speaks.',
  values: {
    USER: { description: 'A person.' },
    ASSISTANT: { description: 'A model: the message is an answer.' },
  } as const,
});

const MessageStatus = builder.enumType('MessageStatus', {
  description: 'Where an answer stands. Once it is no longer WRITING it never changes again.',
  values: {
    WRITING: { description: 'It is being written.' },
    COMPLETE: { description: 'It came to its proper end. Messages of people are always COMPLETE.' },
    STOPPED: { description: 'A person stopped it. The text so far is kept.' },
    FAILED: { description: 'It failed; `error` says why. The text so far is kept.' },
    INTERRUPTED: { description: 'The server stopped while it was being written. The text so far is kept.' },
  } as const,
});

const FinishReason = builder.enumType('FinishReason', {
  description: 'Why a model ended its answer.',
  values: {
    STOP: { description: 'It had said everything.' },
    LENGTH: { description: 'It ran into a limit of length.' },
    CONTENT_FILTER: { description: 'The provider cut it off for reasons of content.' },
    OTHER: { description: 'Anything else; see `providerFinishReason`.' },
  } satisfies Record<(typeof FINISH_REASONS)[number], { description: string }>,
});

const Citation = builder.objectRef<MessageShape['citations'][number]>('Citation').implement({
  description: 'A source that the provider named.',
  fields: (t) => ({
    url: t.exposeString('url', {
      description: 'Where it is. Comes from the provider: check the scheme before linking.',
    }),
    title: t.exposeString('title', { nullable: true, description: 'Its title. Null if not given.' }),
    startOffset: t.exposeInt('startOffset', {
      nullable: true,
      description: 'Where in `text` the cited passage begins, in UTF-16 code units. Null if not given.',
    }),
    endOffset: t.exposeInt('endOffset', {
      nullable: true,
      description: 'Where it ends, the offset itself excluded. Null if not given.',
    }),
  }),
});

const Usage = builder.objectRef<MessageShape>('Usage').implement({
  description: 'Tokens, as the provider counted them; null where it did not say.',
  fields: (t) => ({
    inputTokens: t.exposeInt('inputTokens', { nullable: true, description: 'All input, cached included.' }),
    outputTokens: t.exposeInt('outputTokens', {
      nullable: true,
      description: 'All output, reasoning included.',
    }),
    cachedInputTokens: t.exposeInt('cachedInputTokens', {
      nullable: true,
      description: 'Input the provider had cached.',
    }),
    reasoningTokens: t.exposeInt('reasoningTokens', {
      nullable: true,
      description: 'Output spent on reasoning.',
    }),
    isEstimated: t.boolean({
      description: 'True when the provider gave no count and `outputTokens` is a rough one.',
      resolve: (message) => message.isUsageEstimated === true,
    }),
  }),
});

Message.implement({
  description: 'Something said in a thread. An answer is a message by a model.',
  interfaces: [Node],
  fields: (t) => ({
    thread: t.field({
      type: Thread,
      description: 'The thread it belongs to.',
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
      description: 'What it replies to. Null for the first message of a thread.',
      resolve: ({ parentId }, _args, { loaders }) =>
        parentId === null ? null : loaders.messages.load(parentId),
    }),
    role: t.expose('role', { type: MessageRole, description: 'Who speaks.' }),
    status: t.expose('status', { type: MessageStatus, description: 'Where it stands.' }),
    text: t.exposeString('text', {
      description: 'What was said, usually Markdown. While it is being written, everything so far.',
    }),
    reasoning: t.exposeString('reasoning', {
      description:
        'What the model let see of its thinking; blocks are separated by one blank line. Often empty.',
    }),
    citations: t.expose('citations', { type: [Citation], description: 'Sources that the provider named.' }),
    finishReason: t.expose('finishReason', {
      type: FinishReason,
      nullable: true,
      description: 'Why the model ended. Null unless the answer is COMPLETE.',
    }),
    providerFinishReason: t.exposeString('providerFinishReason', {
      nullable: true,
      description: 'The provider’s own word for that.',
    }),
    author: t.field({
      type: User,
      nullable: true,
      description: 'Who wrote the message, or asked for the answer. Null if that account is gone.',
      resolve: ({ authorId }, _args, { loaders }) =>
        authorId === null ? null : loaders.users.load(authorId),
    }),
    model: t.field({
      type: Model,
      nullable: true,
      description: 'Which model answered. Null for messages of people.',
      resolve: ({ modelId }, _args, { loaders }) => (modelId === null ? null : loaders.models.load(modelId)),
    }),
    modelName: t.exposeString('modelName', {
      nullable: true,
      description: 'The provider’s name of that model when it answered. Null for messages of people.',
    }),
    provider: t.field({
      type: ProviderName,
      nullable: true,
      description: 'Who ran it. Null for messages of people.',
      resolve: ({ provider }) => provider as ProviderNameShape | null,
    }),
    paidBy: t.expose('paidBy', {
      type: KeyScope,
      nullable: true,
      description: 'Whose key paid. Null for messages of people.',
    }),
    apiKey: t.field({
      type: ApiKey,
      nullable: true,
      description:
        'The key that paid. Null for messages of people, once the key is removed, and for everybody who may not manage it.',
      resolve: ({ apiKeyId }, _args, { loaders }) =>
        apiKeyId === null ? null : loaders.apiKeys.load(apiKeyId),
    }),
    error: t.field({
      type: AnswerError,
      nullable: true,
      description: 'Why the answer failed or was interrupted. Null otherwise.',
      resolve: (message, _args, context) => answerErrorOf(message, context),
    }),
    usage: t.field({
      type: Usage,
      nullable: true,
      description: 'Tokens spent. Null for messages of people and while an answer is being written.',
      resolve: (message) => (message.isUsageEstimated === null ? null : message),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was sent or begun.' }),
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
