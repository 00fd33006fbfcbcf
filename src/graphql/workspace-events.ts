import type { AccessLost } from '../follow/access-watch.ts';
import { workspaceEvents } from '../follow/workspace.ts';
import type { ModelsChange, WorkspaceEvent as WorkspaceEventShape } from '../follow/workspace-event.ts';
import { ApiKey } from './api-key.ts';
import { builder } from './builder.ts';
import { type Context, requireViewer } from './context.ts';
import { Member } from './member.ts';
import { Model } from './model.ts';
import { ThreadRemoved, ThreadUpdated } from './thread-events.ts';
import { Workspace } from './workspace.ts';

type Of<Type extends WorkspaceEventShape['type']> = Extract<WorkspaceEventShape, { type: Type }>;

const WorkspaceSnapshot = builder.objectRef<Of<'workspace-snapshot'>>('WorkspaceSnapshot').implement({
  description:
    'How the workspace stands. Always first, and first again after every reconnect: what it brings, or what is fetched after it, replaces what the client holds.',
  fields: (t) => ({
    workspace: t.expose('workspace', {
      type: Workspace,
      description: 'The workspace. Ask here for the models, threads and keys to start from.',
    }),
  }),
});

const WorkspaceUpdated = builder.objectRef<Of<'workspace-updated'>>('WorkspaceUpdated').implement({
  description: 'The workspace’s name, its plan, or what the viewer may do in it or in its team changed.',
  fields: (t) => ({
    workspace: t.expose('workspace', { type: Workspace, description: 'The workspace as it stands now.' }),
  }),
});

const ApiKeyChanged = builder.objectRef<Of<'api-key-changed'>>('ApiKeyChanged').implement({
  description:
    'A key of the workspace or its team is new or changed, its status included. Told only to those who may manage it. That a key was used or its models fetched is no change.',
  fields: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key as it stands now.' }),
  }),
});

const ApiKeyRemoved = builder.objectRef<Of<'api-key-removed'>>('ApiKeyRemoved').implement({
  description: 'A key is gone, or the viewer may no longer manage it.',
  fields: (t) => ({ apiKeyId: t.exposeID('apiKeyId', { description: 'Which key.' }) }),
});

const ModelsChanged = builder.objectRef<ModelsChange>('ModelsChanged').implement({
  description: 'Models are new, or can be asked, or not, or are paid for by another key than before.',
  fields: (t) => ({
    workspace: t.expose('workspace', { type: Workspace, description: 'Where they are listed.' }),
    models: t.expose('models', {
      type: [Model],
      nullable: true,
      description:
        'Those that changed, as they stand now. Null for more than a hundred, or if the list lost some: fetch `workspace.models` again.',
    }),
    message: t.string({
      nullable: true,
      description:
        'A sentence for everybody in the workspace if some of them cannot be asked now, e.g. `Some OpenAI models cannot be used at the moment. Those who manage the keys can see why.` Null if all of them can.',
      resolve: ({ unavailable }, _args, context) => unavailableMessage(unavailable, context),
    }),
  }),
});

const MemberChanged = builder.objectRef<Of<'member-changed'>>('MemberChanged').implement({
  description: 'Somebody came into the workspace, or may do other things there than before.',
  fields: (t) => ({
    member: t.expose('member', { type: Member, description: 'The member as they stand now.' }),
  }),
});

const MemberRemoved = builder.objectRef<Of<'member-removed'>>('MemberRemoved').implement({
  description: 'Somebody is no longer in the workspace.',
  fields: (t) => ({ userId: t.exposeID('userId', { description: 'Who.' }) }),
});

const WorkspaceEvent = builder.unionType('WorkspaceEvent', {
  description: 'What happens in a workspace. It may gain members: keep a default branch.',
  types: [
    WorkspaceSnapshot,
    WorkspaceUpdated,
    ApiKeyChanged,
    ApiKeyRemoved,
    ModelsChanged,
    ThreadUpdated,
    ThreadRemoved,
    MemberChanged,
    MemberRemoved,
  ],
  resolveType: typeNameOf,
});

builder.subscriptionField('workspaceEvents', (t) =>
  t.field({
    type: WorkspaceEvent,
    description:
      'Follows a workspace: first WorkspaceSnapshot, then what changes about its keys, models, threads and members, as far as the viewer may see it. Several changes of one thing may be told as one. Ends with NOT_FOUND when the viewer is no longer in it.',
    args: { workspaceId: t.arg.id({ required: true, description: 'Id of the workspace.' }) },
    subscribe: (_root, { workspaceId }, context) =>
      workspaceEvents(context.deps, requireViewer(context), workspaceId),
    resolve: (event: WorkspaceEventShape | AccessLost) => {
      if (event.type === 'access-lost') throw event.error;
      return event;
    },
  }),
);

/** Says nothing of whose keys they are or what is wrong with them. */
function unavailableMessage(providers: ModelsChange['unavailable'], { deps }: Context): string | null {
  if (providers.length === 0) return null;
  const titles = providers.map((provider) => deps.providers[provider].title);
  return `Some ${LIST.format(titles)} models cannot be used at the moment. Those who manage the keys can see why.`;
}

const LIST = new Intl.ListFormat('en');

function typeNameOf(event: WorkspaceEventShape): string {
  switch (event.type) {
    case 'workspace-snapshot':
      return 'WorkspaceSnapshot';
    case 'workspace-updated':
      return 'WorkspaceUpdated';
    case 'api-key-changed':
      return 'ApiKeyChanged';
    case 'api-key-removed':
      return 'ApiKeyRemoved';
    case 'models-changed':
      return 'ModelsChanged';
    case 'thread-updated':
      return 'ThreadUpdated';
    case 'thread-removed':
      return 'ThreadRemoved';
    case 'member-changed':
      return 'MemberChanged';
    case 'member-removed':
      return 'MemberRemoved';
    default:
      return event satisfies never;
  }
}
