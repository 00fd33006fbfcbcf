import * as errors from '../errors.ts';
import type { Message as MessageShape } from '../threads/message.ts';
import { siblingKey } from '../threads/siblings.ts';
import { mayEdit, mayRemove } from '../threads/thread-permissions.ts';
import { Attachment } from './attachment.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { Node, typeNameOfNode } from './node.ts';
import { referenceTo, selectsOnlyId } from './selects-only-id.ts';
import { Thread } from './thread.ts';
import { User } from './user.ts';

export const Message = builder.interfaceRef<MessageShape>('Message');

const MessageRole = builder.enumType('MessageRole', {
  description: 'Role of the author of a message: a person or a model.',
  values: {
    USER: { description: 'A person wrote the message.' },
    ASSISTANT: { description: 'A model wrote the message, which is an answer.' },
  } as const,
});

Message.implement({
  description:
    'A message in a thread: a UserMessage by a person or an Answer by a model. May grow: other types may implement it.',
  interfaces: [Node],
  resolveType: typeNameOfNode,
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
      description: 'Message that this one replies to. Null for a first message of the thread.',
      resolve: async ({ parentId, role }, _args, { loaders }, info) => {
        if (parentId === null) return null;
        if (!selectsOnlyId(info)) return await loaders.messages.load(parentId);
        // An answer always replies to a person's message.
        const roleOfParent = role === 'ASSISTANT' ? 'USER' : await loaders.messageRoles.load(parentId);
        return roleOfParent && referenceTo<MessageShape>({ id: parentId, role: roleOfParent });
      },
    }),
    role: t.expose('role', { type: MessageRole, description: 'Role of the author: a person or a model.' }),
    text: t.exposeString('text', {
      description:
        'Text of the message, usually Markdown; while an answer is being written, the text so far.',
    }),
    attachments: t.field({
      type: [Attachment],
      description: 'Files that the message refers to, in the order of its sender. Empty for an answer.',
      resolve: async ({ id, role }, _args, { loaders }) =>
        role === 'USER' ? ((await loaders.attachmentsOf.load(id)) ?? []) : [],
    }),
    author: t.field({
      type: User,
      nullable: true,
      description: 'User who wrote the message or asked for the answer. Null if that account is gone.',
      resolve: ({ authorId }, _args, { loaders }) =>
        authorId === null ? null : loaders.users.load(authorId),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the message was sent or the answer begun.',
    }),
    siblings: t.field({
      type: [Message],
      description:
        'Messages with the same parent, this one included, oldest first; of a first message, all first messages of the thread. At most 100.',
      resolve: async (message, _args, { loaders }) => {
        const ids = await loaders.siblingIds.load(siblingKey(message));
        const siblings = await Promise.all(
          (ids ?? []).map((id) => (id === message.id ? message : loaders.messages.load(id))),
        );
        return siblings.filter((sibling) => sibling !== null);
      },
    }),
    siblingIndex: t.int({
      description: 'Index of the message among its `siblings`, from 0.',
      resolve: async (message, _args, { loaders }) => {
        const ids = await loaders.siblingIds.load(siblingKey(message));
        return Math.max(ids?.indexOf(message.id) ?? 0, 0); // it may be gone by now
      },
    }),
    siblingCount: t.int({
      description: 'Number of `siblings`, from 1: with 1 there is nothing to choose from.',
      resolve: async (message, _args, { loaders }) =>
        (await loaders.siblingIds.load(siblingKey(message)))?.length ?? 1,
    }),
    viewerCanEdit: t.boolean({
      description:
        'True if the viewer may send another text in the place of the message: its author, in a thread where they may write. Never true for an answer.',
      resolve: async (message, _args, { viewer, loaders }) => {
        const thread = await loaders.threads.load(message.threadId);
        return viewer !== null && thread !== null && mayEdit(viewer, thread, message);
      },
    }),
    viewerCanRemove: t.boolean({
      description:
        'True if the viewer may remove the message: its author, in a thread where they may write, and every member who may manage the threads of the workspace.',
      resolve: async (message, _args, { viewer, loaders }) => {
        const thread = await loaders.threads.load(message.threadId);
        return viewer !== null && thread !== null && mayRemove(viewer, thread, message);
      },
    }),
  }),
});

export const UserMessage = builder.objectRef<MessageShape>('UserMessage').implement({
  description: 'A message by a person.',
  interfaces: [Node, Message],
});

export const MessageConnection = connectionOf(Message);
