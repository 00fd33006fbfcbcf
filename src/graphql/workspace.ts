import { listAuditEntries } from '../audit/entry.ts';
import * as errors from '../errors.ts';
import { listApiKeys } from '../keys/api-key.ts';
import { findSealingKey } from '../keys/sealing-key.ts';
import { listModels } from '../models/catalogue.ts';
import { listThreads } from '../threads/thread.ts';
import type { SealingKey as SealingKeyShape } from '../vault/client-box.ts';
import { listInvitations } from '../workspaces/invitation.ts';
import { leaveWorkspace } from '../workspaces/manage-members.ts';
import { createWorkspace, deleteWorkspace, updateWorkspace } from '../workspaces/manage-workspace.ts';
import { listMembers } from '../workspaces/member.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { transferWorkspace } from '../workspaces/transfer.ts';
import type { Workspace as WorkspaceShape } from '../workspaces/workspace.ts';
import { ApiKeyConnection } from './api-key.ts';
import { AuditEntryConnection } from './audit.ts';
import { builder } from './builder.ts';
import { pageArguments } from './connection.ts';
import { requireViewer } from './context.ts';
import { InvitationConnection } from './invitation.ts';
import { MemberConnection } from './member.ts';
import { ModelConnection } from './model.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { Team } from './team.ts';
import { ThreadConnection, ThreadOrder } from './thread.ts';

const WorkspaceKind = builder.enumType('WorkspaceKind', {
  description: 'Whose workspace it is.',
  values: {
    PERSONAL: { description: 'One person alone. Everybody has exactly one.' },
    SHARED: { description: 'A group of people.' },
  } as const,
});

export const Plan = builder.enumType('Plan', {
  description: 'The plan of whoever pays for a workspace: the person or the team that owns it.',
  values: {
    FREE: { description: 'No provider keys of one’s own.' },
    PREMIUM: { description: 'Provider keys of one’s own.' },
    BUSINESS: { description: 'Everything in PREMIUM, and teams with keys of their own.' },
  } as const,
});

export const Role = builder.enumType('Role', {
  description: 'What a member may do. Each role includes the ones after it.',
  values: {
    OWNER: { description: 'Everything an ADMIN may; also hand over and delete. There is exactly one.' },
    ADMIN: {
      description: 'Manage keys, members, invitations and the threads of others; rename; read the audit log.',
    },
    MEMBER: { description: 'Write threads and ask models.' },
    VIEWER: { description: 'Read.' },
  } as const,
});

const NEWEST_MESSAGE_FIRST = { field: 'LAST_MESSAGE', direction: 'DESC' } as const;

export const Workspace = builder.objectRef<WorkspaceShape>('Workspace');

Workspace.implement({
  description: 'Where threads live, and whose keys pay for their answers.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    kind: t.expose('kind', { type: WorkspaceKind, description: 'Whether it is personal or shared.' }),
    plan: t.field({
      type: Plan,
      description: 'The plan of its payer, which decides whether it may have provider keys.',
      resolve: ({ plan }) => plan,
    }),
    viewerRole: t.expose('viewerRole', { type: Role, description: 'What the viewer may do here.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    sealingKey: t.field({
      type: SealingKey,
      description: 'The key to seal secrets with for this workspace.',
      resolve: (workspace, _args, { deps }) => findSealingKey(deps, workspace.id),
    }),
    apiKeys: t.field({
      type: ApiKeyConnection,
      description: 'Its provider keys, oldest first. Empty for members who may not manage keys.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listApiKeys(deps, workspace, page),
    }),
    members: t.field({
      type: MemberConnection,
      description: 'Everybody in it, those with the oldest accounts first. All of them may see that.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listMembers(deps, workspace, page),
    }),
    invitations: t.field({
      type: InvitationConnection,
      description: 'Its open invitations, oldest first. Empty for members who may not manage members.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) => listInvitations(deps, workspace, page),
    }),
    auditLog: t.field({
      type: AuditEntryConnection,
      nullable: true,
      description: 'What was done to it, newest first. Null for members who may not read it.',
      args: pageArguments(),
      resolve: (workspace, page, { deps }) =>
        mayDo(workspace.viewerRole, 'readAuditLog') ? listAuditEntries(deps, workspace.id, page) : null,
    }),
    team: t.field({
      type: Team,
      nullable: true,
      description: 'The team that owns it and pays for it. Null if a person does.',
      resolve: ({ teamId }, _args, { loaders }) => (teamId === null ? null : loaders.teams.load(teamId)),
    }),
    models: t.field({
      type: ModelConnection,
      description:
        'All models that became known through its keys and its team’s, oldest first. Those no key offers any more are listed too, with `isAvailable` false.',
      args: pageArguments(500),
      resolve: (workspace, page, { deps }) => listModels(deps, workspace, page),
    }),
    threads: t.field({
      type: ThreadConnection,
      description:
        'Its threads that the viewer may see. A thread that moves while pages are read is found at its new place, all others exactly once; ThreadUpdated of `workspaceEvents` says that it moved.',
      args: {
        ...pageArguments(),
        orderBy: t.arg({
          type: ThreadOrder,
          defaultValue: NEWEST_MESSAGE_FIRST,
          description: 'Their order: those with the newest message first unless it says otherwise.',
        }),
      },
      resolve: (workspace, { orderBy, ...page }, context) =>
        listThreads(context.deps, requireViewer(context), workspace, page, orderBy ?? NEWEST_MESSAGE_FIRST),
    }),
  }),
});

export const SealingKey = builder.objectRef<SealingKeyShape>('SealingKey').implement({
  description:
    'The public key with which a client seals a secret so that only this server can open it, for this owner only. See `/seal.js`.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Names the key pair. Send it along as `sealed.keyId`.' }),
    publicKey: t.exposeString('publicKey', { description: 'X25519 public key, 32 bytes in base64.' }),
  }),
});

builder.queryField('workspace', (t) =>
  t.field({
    type: Workspace,
    nullable: true,
    description: 'The workspace with this id. Null if there is none or the viewer is no member.',
    args: { id: t.arg.id({ required: true, description: 'Id of the workspace.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.workspaces.load(id),
  }),
);

const currentWorkspace = (t: PayloadFields<{ workspace: WorkspaceShape }>) => ({
  workspace: t.expose('workspace', { type: Workspace, description: 'The workspace as it stands now.' }),
});

mutation('createWorkspace', {
  description: 'Creates a shared workspace. A person owns at most 100, and so does a team.',
  input: (t) => ({
    name: t.string({ required: true, description: 'Its name, 1 to 100 characters.' }),
    teamId: t.id({ description: 'The team that will own it and pay for it; the viewer if absent.' }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ workspace: await createWorkspace(deps, viewer, input) }),
  payload: currentWorkspace,
});

mutation('updateWorkspace', {
  description: 'Renames a workspace.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    name: t.string({ description: 'A new name, 1 to 100 characters.' }),
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
    'Takes the viewer out of a shared workspace. Their threads stay: private ones are seen by nobody, and are theirs again if they come back. The OWNER cannot leave.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the workspace.' }) }),
  errors: [errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ leftId: await leaveWorkspace(deps, viewer, id) }),
  payload: (t) => ({ leftId: t.exposeID('leftId', { description: 'Id of the workspace.' }) }),
});

mutation('transferWorkspace', {
  description:
    'Makes a member the OWNER of a shared workspace, whose plan then counts for it. The previous OWNER becomes ADMIN. A team’s workspace stays with its team.',
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    userId: t.id({ required: true, description: 'The member who becomes its OWNER.' }),
  }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ workspace: await transferWorkspace(deps, viewer, input) }),
  payload: currentWorkspace,
});
