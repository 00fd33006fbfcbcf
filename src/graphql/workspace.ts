import * as errors from '../errors.ts';
import { listApiKeys } from '../keys/api-key.ts';
import { listModels } from '../keys/list-models.ts';
import { findSealingKey } from '../keys/sealing-key.ts';
import { PLANS, type Plan as PlanShape, ROLES, type Role as RoleShape } from '../plans-and-roles.ts';
import { listThreads } from '../threads/thread.ts';
import type { SealingKey as SealingKeyShape } from '../vault/client-box.ts';
import { listAuditLog } from '../workspaces/audit-log.ts';
import { listInvitations } from '../workspaces/invitation.ts';
import { leaveWorkspace } from '../workspaces/manage-members.ts';
import { createWorkspace, deleteWorkspace, updateWorkspace } from '../workspaces/manage-workspace.ts';
import { listMembers } from '../workspaces/member.ts';
import { transferWorkspace } from '../workspaces/transfer.ts';
import { viewerCan, viewerCanLeave } from '../workspaces/viewer-can.ts';
import type { Workspace as WorkspaceShape } from '../workspaces/workspace.ts';
import { ApiKeyConnection } from './api-key.ts';
import { AuditEntryConnection, AuditLogFilter } from './audit.ts';
import { builder } from './builder.ts';
import { connectionOf, pageArguments } from './connection.ts';
import { requireViewer } from './context.ts';
import { InvitationConnection } from './invitation.ts';
import { MemberConnection } from './member.ts';
import { ModelConnection } from './model.ts';
import { ModelFilter, ModelOrder, rememberListed } from './model-list.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { Team } from './team.ts';
import { ThreadConnection, ThreadOrder } from './thread.ts';

const WorkspaceKind = builder.enumType('WorkspaceKind', {
  description: 'Kind of a workspace: for one person or for several.',
  values: {
    PERSONAL: { description: 'Workspace of one person alone. Each person has exactly one.' },
    SHARED: { description: 'Workspace for a group of people.' },
  } as const,
});

export const Plan = builder.enumType('Plan', {
  description: `Plan of the payer of a workspace: the person or the team that owns it. Each plan includes those before it: ${PLANS.join(', then ')}. May grow: show an unknown plan by its name.`,
  values: {
    FREE: { description: 'Plan without provider keys of one’s own.' },
    PREMIUM: { description: 'Plan with provider keys of one’s own.' },
    BUSINESS: { description: 'Plan with all of PREMIUM, and teams with keys of their own.' },
  } satisfies Record<PlanShape, { description: string }>,
});

export const Role = builder.enumType('Role', {
  description: `Role of a member. Each role may do all that those after it may: ${ROLES.join(', then ')}. May grow: treat an unknown role as VIEWER.`,
  values: {
    OWNER: {
      description: 'Owner: may do all that an ADMIN may, and transfer and delete. There is exactly one.',
    },
    ADMIN: {
      description:
        'Admin: may manage keys, members, invitations and the threads of others, rename, read the audit log, and create workspaces of the team.',
    },
    MEMBER: { description: 'Member: may write in threads and ask models.' },
    VIEWER: { description: 'Viewer: may only read. A team has none.' },
  } satisfies Record<RoleShape, { description: string }>,
});

const OLDEST_FIRST = { field: 'ADDED', direction: 'ASC' } as const;
const NEWEST_MESSAGE_FIRST = { field: 'LAST_MESSAGE', direction: 'DESC' } as const;

export const Workspace = builder.objectRef<WorkspaceShape>('Workspace');

Workspace.implement({
  description: 'A place for threads. Its provider keys and those of its team pay for their answers.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the workspace, 1 to 100 characters.' }),
    kind: t.expose('kind', {
      type: WorkspaceKind,
      description: 'Kind of the workspace: personal or shared.',
    }),
    plan: t.field({
      type: Plan,
      description: 'Plan of the payer, which decides whether the workspace may have provider keys.',
      resolve: ({ plan }) => plan,
    }),
    viewerRole: t.expose('viewerRole', { type: Role, description: 'Role of the viewer in the workspace.' }),
    viewerCanSend: t.boolean({
      description: 'True if the viewer can create threads in the workspace and write in them.',
      resolve: (workspace) => viewerCan(workspace, 'chat'),
    }),
    viewerCanManageThreads: t.boolean({
      description: 'True if the viewer can manage the threads of others that all members see.',
      resolve: (workspace) => viewerCan(workspace, 'manageThreads'),
    }),
    viewerCanManageKeys: t.boolean({
      description:
        'True if the viewer can see and manage the provider keys of the workspace, as far as its plan includes keys.',
      resolve: (workspace) => viewerCan(workspace, 'manageKeys'),
    }),
    viewerCanManageModels: t.boolean({
      description:
        'True if the viewer can make variants of models, and set which models are favourites or hidden, for everybody in the workspace.',
      resolve: (workspace) => viewerCan(workspace, 'manageModels'),
    }),
    viewerCanManageMembers: t.boolean({
      description:
        'True if the viewer can invite, add, change and remove members of the workspace. False in a personal workspace, which has one member.',
      resolve: (workspace) => viewerCan(workspace, 'manageMembers'),
    }),
    viewerCanReadAuditLog: t.boolean({
      description: 'True if the viewer can read the audit log of the workspace.',
      resolve: (workspace) => viewerCan(workspace, 'readAuditLog'),
    }),
    viewerCanRename: t.boolean({
      description: 'True if the viewer can rename the workspace.',
      resolve: (workspace) => viewerCan(workspace, 'rename'),
    }),
    viewerCanTransfer: t.boolean({
      description:
        'True if the viewer can transfer the workspace to another member. False in a personal workspace and in one of a team.',
      resolve: (workspace) => viewerCan(workspace, 'transfer'),
    }),
    viewerCanDelete: t.boolean({
      description: 'True if the viewer can delete the workspace. False in a personal workspace.',
      resolve: (workspace) => viewerCan(workspace, 'delete'),
    }),
    viewerCanLeave: t.boolean({
      description:
        'True if the viewer can leave the workspace. False for its OWNER, and for an OWNER or ADMIN of its team, who can leave the team only.',
      resolve: async (workspace, _args, { loaders }) => {
        const { teamId } = workspace;
        return viewerCanLeave(workspace, teamId === null ? null : await loaders.teams.load(teamId));
      },
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the workspace was created.',
    }),
    sealingKey: t.field({
      type: SealingKey,
      description: 'Public key with which a client seals secrets for this workspace.',
      resolve: (workspace, _args, { deps }) => findSealingKey(deps, workspace.id),
    }),
    apiKeys: t.field({
      type: ApiKeyConnection,
      nullable: true,
      description:
        'Provider keys of the workspace, oldest first. Null for members who may not manage keys: see `viewerCanManageKeys`.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listApiKeys(deps, workspace, page),
    }),
    members: t.field({
      type: MemberConnection,
      description:
        'Members of the workspace, those with the oldest accounts first. Every member may see them.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listMembers(deps, workspace, page),
    }),
    invitations: t.field({
      type: InvitationConnection,
      nullable: true,
      description:
        'Open invitations into the workspace, oldest first. Null for members whose role does not allow managing members.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listInvitations(deps, workspace, page),
    }),
    auditLog: t.field({
      type: AuditEntryConnection,
      nullable: true,
      description:
        'Entries of the audit log of the workspace, newest first. Null for members who may not read it: see `viewerCanReadAuditLog`.',
      args: {
        ...pageArguments(),
        filter: t.arg({ type: AuditLogFilter, description: 'Entries that are wanted; all if absent.' }),
      },
      resolve: (workspace, { filter, ...page }, { deps }) =>
        listAuditLog(deps, workspace, page, filter ?? {}),
    }),
    team: t.field({
      type: Team,
      nullable: true,
      description: 'Team that owns and pays for the workspace. Null if a person does.',
      resolve: ({ teamId }, _args, { loaders }) => (teamId === null ? null : loaders.teams.load(teamId)),
    }),
    models: t.field({
      type: ModelConnection,
      description:
        'Models that became known through the keys of the workspace and of its team, and the variants that the viewer can use; without hidden ones unless the filter includes them. Those that no key offers any more are listed too, with `isAvailable` false.',
      args: {
        ...pageArguments(500),
        filter: t.arg({ type: ModelFilter, description: 'Models that are wanted; all if absent.' }),
        orderBy: t.arg({
          type: ModelOrder,
          defaultValue: OLDEST_FIRST,
          description:
            'Order of the models; those known longest first if absent. A list to choose from begins with the most relevant: `{ field: RELEVANCE, direction: DESC }`.',
        }),
      },
      resolve: async (workspace, { filter, orderBy, ...input }, context) => {
        const wanted = { filter: filter ?? null, order: orderBy ?? OLDEST_FIRST };
        const listed = await listModels(context.deps, requireViewer(context), workspace, input, wanted);
        rememberListed(context.loaders, workspace, listed);
        return listed.page;
      },
    }),
    threads: t.field({
      type: ThreadConnection,
      description:
        'Threads of the workspace that the viewer may see. A thread that moves while pages are read is found at its new place, all others exactly once; ThreadUpdated of `workspaceEvents` says that it moved.',
      args: {
        ...pageArguments(),
        orderBy: t.arg({
          type: ThreadOrder,
          defaultValue: NEWEST_MESSAGE_FIRST,
          description: 'Order of the threads; those with the newest message first if absent.',
        }),
      },
      resolve: (workspace, { orderBy, ...page }, context) =>
        listThreads(context.deps, requireViewer(context), workspace, page, orderBy ?? NEWEST_MESSAGE_FIRST),
    }),
  }),
});

export const WorkspaceConnection = connectionOf(Workspace);

export const SealingKey = builder.objectRef<SealingKeyShape>('SealingKey').implement({
  description:
    'The public key with which a client seals a secret so that only this server can open it, for this workspace or team only. See `/seal.js`.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Id of the key pair. Send it along as `sealed.keyId`.' }),
    publicKey: t.exposeString('publicKey', { description: 'X25519 public key, 32 bytes in base64.' }),
  }),
});

builder.queryField('workspace', (t) =>
  t.field({
    type: Workspace,
    nullable: true,
    description: 'Workspace with this id. Null if there is none or the viewer is no member.',
    args: { id: t.arg.id({ required: true, description: 'Id of the workspace.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.workspaces.load(id),
  }),
);

const currentWorkspace = (t: PayloadFields<{ workspace: WorkspaceShape }>) => ({
  workspace: t.expose('workspace', { type: Workspace, description: 'The workspace as it is now.' }),
});

mutation('createWorkspace', {
  description: 'Creates a shared workspace. A person owns at most 100, and so does a team.',
  input: (t) => ({
    name: t.string({ required: true, description: 'Name of the workspace, 1 to 100 characters.' }),
    teamId: t.id({
      description: 'Id of the team that will own and pay for the workspace; the viewer if absent.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ workspace: await createWorkspace(deps, viewer, input) }),
  payload: currentWorkspace,
});

mutation('updateWorkspace', {
  description: 'Changes the name of a workspace.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    name: t.string({ description: 'New name of the workspace, 1 to 100 characters.' }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ workspace: await updateWorkspace(deps, viewer, input) }),
  payload: currentWorkspace,
});

mutation('deleteWorkspace', {
  description:
    'Deletes a shared workspace with its threads, keys and invitations for good. Answers that are being written in it end.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the workspace.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await deleteWorkspace(deps, viewer, id) }),
  payload: removedId('deleted workspace'),
});

mutation('leaveWorkspace', {
  description:
    'Ends the viewer’s membership in a shared workspace. The viewer’s threads stay: nobody sees the private ones unless the viewer becomes a member again. The OWNER cannot leave.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the workspace.' }) }),
  errors: [errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await leaveWorkspace(deps, viewer, id) }),
  payload: removedId('membership that has ended'),
});

mutation('transferWorkspace', {
  description:
    'Makes a member the OWNER of a shared workspace, whose plan then counts for it. The previous OWNER becomes ADMIN. A team’s workspace stays with its team.',
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    userId: t.id({ required: true, description: 'Id of the member who becomes OWNER.' }),
  }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ workspace: await transferWorkspace(deps, viewer, input) }),
  payload: currentWorkspace,
});
