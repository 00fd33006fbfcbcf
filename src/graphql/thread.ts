import type { AnswerErrorCode } from '../answer-error.ts';
import { withLiveText } from '../answers/live-text.ts';
import * as errors from '../errors.ts';
import { listMessages } from '../threads/message.ts';
import {
  createThread,
  deleteThread,
  type THREAD_ORDER_FIELDS,
  type Thread as ThreadShape,
  updateThread,
  type VISIBILITIES,
} from '../threads/thread.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { builder } from './builder.ts';
import { connectionOf, OrderDirection, pageArguments } from './connection.ts';
import type { Context } from './context.ts';
import { MessageConnection } from './message.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { User } from './user.ts';
import { ErrorCode } from './user-error.ts';
import { Workspace } from './workspace.ts';

export const Thread = builder.objectRef<ThreadShape>('Thread');

const ThreadVisibility = builder.enumType('ThreadVisibility', {
  description: 'Who sees a thread.',
  values: {
    PRIVATE: { description: 'Only who created it.' },
    WORKSPACE: { description: 'Every member of its workspace.' },
  } satisfies Record<(typeof VISIBILITIES)[number], { description: string }>,
});

Thread.implement({
  description:
    'A conversation. Its messages form a tree: each one replies to its parent, and a comparison is several answers with one parent.',
  interfaces: [Node],
  fields: (t) => ({
    title: t.exposeString('title', { description: 'Its title.' }),
    workspace: t.field({
      type: Workspace,
      description: 'Where it lives.',
      resolve: async ({ workspaceId }, _args, { loaders }) => {
        const workspace = await loaders.workspaces.load(workspaceId);
        // It was visible a moment ago.
        if (workspace === null) throw new errors.NotFoundError('workspace');
        return workspace;
      },
    }),
    visibility: t.expose('visibility', { type: ThreadVisibility, description: 'Who sees it.' }),
    revision: t.exposeInt('revision', {
      description: 'Grows whenever something in the thread changes that a client may have to fetch again.',
    }),
    messages: t.field({
      type: MessageConnection,
      description: 'All of its messages, oldest first.',
      args: pageArguments(),
      resolve: async (thread, page, { deps }) => {
        const { rows, ...rest } = await listMessages(deps, thread, page);
        return { ...rest, rows: await withLiveText(deps, rows) };
      },
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'Who created it. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description:
        'Time of the last change: of its title or visibility, of a message that was added, or of an answer that ended. Grows with `revision`.',
    }),
    lastMessageAt: t.expose('lastMessageAt', {
      type: 'DateTime',
      description:
        'Time at which a message or answer was last added; the time of creation while there is none. What LAST_MESSAGE orders by.',
    }),
    canGenerate: t.boolean({
      description:
        'False when the model of the newest answer has no usable key. Another model may still be asked.',
      resolve: async (thread, _args, context) => (await whyNot(thread, context)) === null,
    }),
    cannotGenerateReason: t.field({
      type: ErrorCode,
      nullable: true,
      description: 'Why `canGenerate` is false. Null if it is true.',
      resolve: (thread, _args, context) => whyNot(thread, context),
    }),
    viewerCanSend: t.boolean({
      description: 'Whether the viewer’s role allows writing in it.',
      resolve: ({ viewerRole }) => mayDo(viewerRole, 'chat'),
    }),
  }),
});

export const ThreadConnection = connectionOf(Thread);

const ThreadOrderField = builder.enumType('ThreadOrderField', {
  description: 'What a list of threads is ordered by. It may gain values.',
  values: {
    LAST_MESSAGE: {
      description:
        'When a message or answer was last added (`lastMessageAt`). A thread moves while it is written in.',
    },
    CREATED_AT: { description: 'When the thread was created.' },
  } satisfies Record<(typeof THREAD_ORDER_FIELDS)[number], { description: string }>,
});

export const ThreadOrder = builder.inputType('ThreadOrder', {
  description: 'The order of a list of threads.',
  fields: (t) => ({
    field: t.field({ type: ThreadOrderField, required: true, description: 'What it is ordered by.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'Which way.' }),
  }),
});

/** Why the model of the newest answer cannot be asked again; null if it can, or if nothing was asked yet. */
async function whyNot(thread: ThreadShape, { loaders }: Context): Promise<AnswerErrorCode | null> {
  const newest = await loaders.newestAnswers.load(thread.id);
  if (newest === null) return null;
  const offer = newest.modelId === null ? null : await loaders.offers.load(newest.modelId);
  if (offer === null) return 'NO_KEY';
  return offer.isAvailable ? null : offer.code;
}

builder.queryField('thread', (t) =>
  t.field({
    type: Thread,
    nullable: true,
    description: 'The thread with this id. Null if there is none or the viewer may not see it.',
    args: { id: t.arg.id({ required: true, description: 'Id of the thread.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.threads.load(id),
  }),
);

const currentThread = (t: PayloadFields<{ thread: ThreadShape }>) => ({
  thread: t.expose('thread', { type: Thread, description: 'The thread as it stands now.' }),
});

mutation('createThread', {
  description: 'Creates an empty thread.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Where it will live.' }),
    title: t.string({ description: 'Its title, up to 200 characters; `New thread` if absent.' }),
    visibility: t.field({ type: ThreadVisibility, description: 'Who sees it; PRIVATE if absent.' }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ thread: await createThread(deps, viewer, input) }),
  payload: currentThread,
});

mutation('updateThread', {
  description: 'Changes a thread’s title or who sees it.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the thread.' }),
    title: t.string({ description: 'A new title, up to 200 characters.' }),
    visibility: t.field({
      type: ThreadVisibility,
      description: 'Who sees it from now on. Only its creator may change that.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ thread: await updateThread(deps, viewer, input) }),
  payload: currentThread,
});

mutation('deleteThread', {
  description: 'Deletes a thread and everything in it for good. Answers that are being written in it end.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the thread.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, { id }) => ({ removedId: await deleteThread(deps, viewer, id) }),
  payload: removedId('deleted thread'),
});
