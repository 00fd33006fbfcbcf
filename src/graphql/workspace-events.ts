import type { AccessLost } from '../follow/access-watch.ts';
import { workspaceEvents } from '../follow/workspace.ts';
import type { WorkspaceEvent as WorkspaceEventShape } from '../follow/workspace-event.ts';
import type { ApiKey as ApiKeyShape } from '../keys/api-key.ts';
import type { Member as MemberShape } from '../workspaces/member.ts';
import { ApiKey } from './api-key.ts';
import { Attachment } from './attachment.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { forgetAll } from './loader.ts';
import { Member } from './member.ts';
import { ModelsUpdated } from './models-updated.ts';
import type { PayloadFields } from './mutation.ts';
import { Thread } from './thread.ts';
import { ThreadRemoved, ThreadUpdated } from './thread-events.ts';
import { Workspace } from './workspace.ts';

type Of<Type extends WorkspaceEventShape['type']> = Extract<WorkspaceEventShape, { type: Type }>;

const WorkspaceSnapshot = builder.objectRef<Of<'workspace-snapshot'>>('WorkspaceSnapshot').implement({
  description:
    'State of the workspace, always the first event and the first again after every reconnect: its content, or what is fetched after it, replaces what the client holds.',
  fields: (t) => ({
    workspace: t.expose('workspace', {
      type: Workspace,
      description: 'The workspace as it is now. Ask here for the models, threads and keys to start from.',
    }),
  }),
});

const WorkspaceUpdated = builder.objectRef<Of<'workspace-updated'>>('WorkspaceUpdated').implement({
  description: 'The workspace’s name, its plan, or what the viewer may do in it or in its team changed.',
  fields: (t) => ({
    workspace: t.expose('workspace', { type: Workspace, description: 'The workspace as it is now.' }),
  }),
});

const currentApiKey = (t: PayloadFields<{ apiKey: ApiKeyShape }>) => ({
  apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key as it is now.' }),
});

const ApiKeyAdded = builder.objectRef<Of<'api-key-added'>>('ApiKeyAdded').implement({
  description:
    'A key of the workspace or its team was added, or the viewer may manage it from now on. Sent only to members who may manage it.',
  fields: currentApiKey,
});

const ApiKeyUpdated = builder.objectRef<Of<'api-key-updated'>>('ApiKeyUpdated').implement({
  description:
    'A key of the workspace or its team changed, its status included. Sent only to members who may manage it. A use of the key or a fetch of its models is no change.',
  fields: currentApiKey,
});

const ApiKeyRemoved = builder.objectRef<Of<'api-key-removed'>>('ApiKeyRemoved').implement({
  description: 'A key is gone, or the viewer may no longer manage it.',
  fields: (t) => ({ removedId: t.exposeID('removedId', { description: 'Id of the key that is gone.' }) }),
});

const currentMember = (t: PayloadFields<{ member: MemberShape }>) => ({
  member: t.expose('member', { type: Member, description: 'The member with the present role.' }),
});

const MemberAdded = builder.objectRef<Of<'member-added'>>('MemberAdded').implement({
  description: 'A person became a member of the workspace.',
  fields: currentMember,
});

const MemberUpdated = builder.objectRef<Of<'member-updated'>>('MemberUpdated').implement({
  description: 'A member of the workspace got another role.',
  fields: currentMember,
});

const MemberRemoved = builder.objectRef<Of<'member-removed'>>('MemberRemoved').implement({
  description: 'A person is no longer a member of the workspace.',
  fields: (t) => ({
    removedId: t.exposeID('removedId', { description: 'Id of the membership that has ended.' }),
    userId: t.exposeID('userId', { description: 'Id of the user who is no longer a member.' }),
  }),
});

const ThreadAdded = builder.objectRef<Of<'thread-added'>>('ThreadAdded').implement({
  description: 'A thread was created in the workspace, or the viewer may see it from now on.',
  fields: (t) => ({
    thread: t.expose('thread', { type: Thread, description: 'The thread as it is now.' }),
  }),
});

const AttachmentUpdated = builder.objectRef<Of<'attachment-updated'>>('AttachmentUpdated').implement({
  description:
    'A file that the viewer is uploading has another status: its bytes have arrived, or it is READY or REFUSED. Sent to its uploader only.',
  fields: (t) => ({
    attachment: t.expose('attachment', { type: Attachment, description: 'The file as it is now.' }),
  }),
});

const WorkspaceEvent = builder.unionType('WorkspaceEvent', {
  description: 'An event in a workspace. May grow: ignore unknown members.',
  types: [
    WorkspaceSnapshot,
    WorkspaceUpdated,
    ApiKeyAdded,
    ApiKeyUpdated,
    ApiKeyRemoved,
    ModelsUpdated,
    ThreadAdded,
    ThreadUpdated,
    ThreadRemoved,
    MemberAdded,
    MemberUpdated,
    MemberRemoved,
    AttachmentUpdated,
  ],
  resolveType: typeNameOf,
});

builder.subscriptionField('workspaceEvents', (t) =>
  t.field({
    type: WorkspaceEvent,
    description:
      'Follows a workspace: first WorkspaceSnapshot, then the changes of its keys, models, threads, members and files that the viewer may see. Several changes of one thing may come as one event. Ends with NOT_FOUND when the viewer is no longer a member.',
    args: { workspaceId: t.arg.id({ required: true, description: 'Id of the workspace.' }) },
    subscribe: (_root, { workspaceId }, context) =>
      workspaceEvents(context.deps, requireViewer(context), workspaceId),
    resolve: (event: WorkspaceEventShape | AccessLost, _args, context) => {
      forgetAll(context.loaders);
      if (event.type === 'access-lost') throw event.error;
      return event;
    },
  }),
);

function typeNameOf(event: WorkspaceEventShape): string {
  switch (event.type) {
    case 'workspace-snapshot':
      return 'WorkspaceSnapshot';
    case 'workspace-updated':
      return 'WorkspaceUpdated';
    case 'api-key-added':
      return 'ApiKeyAdded';
    case 'api-key-updated':
      return 'ApiKeyUpdated';
    case 'api-key-removed':
      return 'ApiKeyRemoved';
    case 'models-updated':
      return 'ModelsUpdated';
    case 'thread-added':
      return 'ThreadAdded';
    case 'thread-updated':
      return 'ThreadUpdated';
    case 'thread-removed':
      return 'ThreadRemoved';
    case 'member-added':
      return 'MemberAdded';
    case 'member-updated':
      return 'MemberUpdated';
    case 'member-removed':
      return 'MemberRemoved';
    case 'attachment-updated':
      return 'AttachmentUpdated';
    default:
      return event satisfies never;
  }
}
