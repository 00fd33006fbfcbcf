import type { AnswerErrorCode } from '../answer-error.ts';
import { withLiveText } from '../answers/live-text.ts';
import * as errors from '../errors.ts';
import { unavailableCode } from '../keys/availability.ts';
import { createThread } from '../threads/create-thread.ts';
import { listMessages } from '../threads/message.ts';
import {
  deleteThread,
  type THREAD_ORDER_FIELDS,
  type Thread as ThreadShape,
  updateThread,
  type VISIBILITIES,
} from '../threads/thread.ts';
import { mayDelete, mayRename, maySend } from '../threads/thread-permissions.ts';
import type { Workspace as WorkspaceShape } from '../workspaces/workspace.ts';
import { builder } from './builder.ts';
import { connectionOf, OrderDirection, pageArguments } from './connection.ts';
import type { Context } from './context.ts';
import { MessageConnection } from './message.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { referenceTo, selectsOnlyId } from './selects-only-id.ts';
import { User } from './user.ts';
import { ErrorCode } from './user-error.ts';
import { Workspace } from './workspace.ts';

export const Thread = builder.objectRef<ThreadShape>('Thread');

const ThreadVisibility = builder.enumType('ThreadVisibility', {
  description: 'Visibility of a thread. May grow: treat an unknown value as WORKSPACE.',
  values: {
    PRIVATE: { description: 'Visible to its creator only.' },
    WORKSPACE: { description: 'Visible to every member of its workspace.' },
  } satisfies Record<(typeof VISIBILITIES)[number], { description: string }>,
});

Thread.implement({
  description:
    'A conversation. Its messages form a tree: each one replies to its parent, and a comparison is several answers with one parent.',
  interfaces: [Node],
  fields: (t) => ({
    title: t.exposeString('title', { description: 'Title of the thread, up to 200 characters.' }),
    workspace: t.field({
      type: Workspace,
      description: 'Workspace that the thread is in.',
      resolve: async ({ workspaceId }, _args, { loaders }, info) => {
        if (selectsOnlyId(info)) return referenceTo<WorkspaceShape>({ id: workspaceId });
        const workspace = await loaders.workspaces.load(workspaceId);
        // It was visible a moment ago.
        if (workspace === null) throw new errors.NotFoundError('workspace');
        return workspace;
      },
    }),
    visibility: t.expose('visibility', {
      type: ThreadVisibility,
      description: 'Visibility of the thread to other members.',
    }),
    revision: t.exposeInt('revision', {
      description: 'Number that grows with every change in the thread that a client may have to fetch.',
    }),
    messages: t.field({
      type: MessageConnection,
      description: 'Messages of the thread, oldest first.',
      args: pageArguments(),
      resolve: async (thread, page, { deps }) => {
        const { rows, ...rest } = await listMessages(deps, thread, page);
        return { ...rest, rows: await withLiveText(deps, rows) };
      },
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'User who created the thread. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the thread was created.',
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description:
        'Time of the last change: of its title or visibility, of a message that was added, or of an answer that ended. It grows with `revision`.',
    }),
    lastMessageAt: t.expose('lastMessageAt', {
      type: 'DateTime',
      description:
        'Time at which a message or answer was last added; the time of creation while there is none. LAST_MESSAGE orders by it.',
    }),
    canGenerate: t.boolean({
      description:
        'True if the model of the newest answer has a usable key, or nothing was asked yet. If not, another model may still be asked.',
      resolve: async (thread, _args, context) => (await generateBlockedBy(thread, context)) === null,
    }),
    cannotGenerateReason: t.field({
      type: ErrorCode,
      nullable: true,
      description: 'Reason why `canGenerate` is false. Null if it is true.',
      resolve: (thread, _args, context) => generateBlockedBy(thread, context),
    }),
    viewerCanSend: t.boolean({
      description: 'True if the viewer’s role allows writing in the thread.',
      resolve: (thread) => maySend(thread),
    }),
    viewerCanRename: t.boolean({
      description: 'True if the viewer may give the thread another title: everyone who may write in it.',
      resolve: (thread) => mayRename(thread),
    }),
    viewerCanDelete: t.boolean({
      description:
        'True if the viewer may delete the thread: its creator, while they may write in it, and every member who may manage the threads of the workspace.',
      resolve: (thread, _args, { viewer }) => viewer !== null && mayDelete(viewer, thread),
    }),
  }),
});

export const ThreadConnection = connectionOf(Thread);

const ThreadOrderField = builder.enumType('ThreadOrderField', {
  description: 'Field by which a list of threads is ordered. May grow: other fields may be added.',
  values: {
    LAST_MESSAGE: {
      description:
        'Time at which a message or answer was last added (`lastMessageAt`). A thread moves when one is added.',
    },
    CREATED_AT: { description: 'Time at which the thread was created.' },
  } satisfies Record<(typeof THREAD_ORDER_FIELDS)[number], { description: string }>,
});

export const ThreadOrder = builder.inputType('ThreadOrder', {
  description: 'Order of a list of threads.',
  fields: (t) => ({
    field: t.field({
      type: ThreadOrderField,
      required: true,
      description: 'Field that the list is ordered by.',
    }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      description: 'Direction of the order: ASC or DESC.',
    }),
  }),
});

/** Why the model of the newest answer cannot be asked again; null if it can, or if nothing was asked yet. */
async function generateBlockedBy(thread: ThreadShape, { loaders }: Context): Promise<AnswerErrorCode | null> {
  const newest = await loaders.newestAnswers.load(thread.id);
  if (newest === null) return null;
  return unavailableCode(newest.modelId === null ? null : await loaders.offers.load(newest.modelId));
}

builder.queryField('thread', (t) =>
  t.field({
    type: Thread,
    nullable: true,
    description: 'Thread with this id. Null if there is none or the viewer may not see it.',
    args: { id: t.arg.id({ required: true, description: 'Id of the thread.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.threads.load(id),
  }),
);

const currentThread = (t: PayloadFields<{ thread: ThreadShape }>) => ({
  thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
});

mutation('createThread', {
  description: 'Creates an empty thread.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Id of the workspace that the thread will be in.' }),
    title: t.string({ description: 'Title of the thread, up to 200 characters; `New thread` if absent.' }),
    visibility: t.field({
      type: ThreadVisibility,
      description: 'Visibility of the thread; PRIVATE if absent.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input, loaders) => {
    const thread = await createThread(deps, viewer, input);
    loaders.users.remember(viewer.id, viewer);
    loaders.newestAnswers.remember(thread.id, null);
    return { thread };
  },
  payload: currentThread,
});

mutation('updateThread', {
  description: 'Changes the title or the visibility of a thread.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the thread.' }),
    title: t.string({ description: 'New title of the thread, up to 200 characters.' }),
    visibility: t.field({
      type: ThreadVisibility,
      description: 'New visibility of the thread. Only its creator may change it.',
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
