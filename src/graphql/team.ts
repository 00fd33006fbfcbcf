import * as errors from '../errors.ts';
import { listApiKeys } from '../keys/api-key.ts';
import { findSealingKey } from '../keys/sealing-key.ts';
import { listAuditLog } from '../workspaces/audit-log.ts';
import { listInvitations } from '../workspaces/invitation.ts';
import { leaveTeam } from '../workspaces/manage-members.ts';
import { createTeam, deleteTeam, updateTeam } from '../workspaces/manage-team.ts';
import { listMembers } from '../workspaces/member.ts';
import type { Team as TeamShape } from '../workspaces/team.ts';
import { transferTeam } from '../workspaces/transfer.ts';
import { viewerCan, viewerCanLeave } from '../workspaces/viewer-can.ts';
import { listWorkspaces } from '../workspaces/workspace.ts';
import { ApiKeyConnection } from './api-key.ts';
import { AuditEntryConnection, AuditLogFilter } from './audit.ts';
import { builder } from './builder.ts';
import { connectionOf, pageArguments } from './connection.ts';
import { requireViewer } from './context.ts';
import { InvitationConnection } from './invitation.ts';
import { MemberConnection } from './member.ts';
import { LEFT_OUT, mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { Plan, Role, SealingKey, WorkspaceConnection } from './workspace.ts';

export const Team = builder.objectRef<TeamShape>('Team');

Team.implement({
  description:
    'A group of people that owns shared workspaces, and provider keys that are used in all of them.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the team, 1 to 100 characters.' }),
    plan: t.field({
      type: Plan,
      description: 'Plan of the team and of all its workspaces. Keys of a team need BUSINESS.',
      resolve: ({ plan }) => plan,
    }),
    viewerRole: t.expose('viewerRole', {
      type: Role,
      description: 'Role of the viewer in the team: OWNER, ADMIN or MEMBER.',
    }),
    viewerCanManageKeys: t.boolean({
      description:
        'True if the viewer can see and manage the provider keys of the team, as far as its plan includes keys.',
      resolve: (team) => viewerCan(team, 'manageKeys'),
    }),
    viewerCanManageMembers: t.boolean({
      description: 'True if the viewer can invite, add, change and remove members of the team.',
      resolve: (team) => viewerCan(team, 'manageMembers'),
    }),
    viewerCanReadAuditLog: t.boolean({
      description: 'True if the viewer can read the audit log of the team.',
      resolve: (team) => viewerCan(team, 'readAuditLog'),
    }),
    viewerCanRename: t.boolean({
      description: 'True if the viewer can rename the team.',
      resolve: (team) => viewerCan(team, 'rename'),
    }),
    viewerCanCreateWorkspace: t.boolean({
      description: 'True if the viewer can create workspaces of the team.',
      resolve: (team) => viewerCan(team, 'createTeamWorkspace'),
    }),
    viewerCanTransfer: t.boolean({
      description: 'True if the viewer can transfer the team to another member.',
      resolve: (team) => viewerCan(team, 'transfer'),
    }),
    viewerCanDelete: t.boolean({
      description: 'True if the viewer can delete the team, once it has no workspaces.',
      resolve: (team) => viewerCan(team, 'delete'),
    }),
    viewerCanLeave: t.boolean({
      description: 'True if the viewer can leave the team. False for its OWNER.',
      resolve: (team) => viewerCanLeave(team, team),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the team was created.',
    }),
    sealingKey: t.field({
      type: SealingKey,
      description: 'Public key with which a client seals secrets for this team.',
      resolve: (team, _args, { deps }) => findSealingKey(deps, team.id),
    }),
    apiKeys: t.field({
      type: ApiKeyConnection,
      nullable: true,
      description:
        'Provider keys of the team, oldest first. Null for members who may not manage keys: see `viewerCanManageKeys`.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listApiKeys(deps, team, page),
    }),
    members: t.field({
      type: MemberConnection,
      description: 'Members of the team, those with the oldest accounts first. Every member may see them.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listMembers(deps, team, page),
    }),
    invitations: t.field({
      type: InvitationConnection,
      nullable: true,
      description:
        'Open invitations into the team, oldest first. Null for members whose role does not allow managing members.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listInvitations(deps, team, page),
    }),
    auditLog: t.field({
      type: AuditEntryConnection,
      nullable: true,
      description:
        'Entries of the audit log of the team, newest first. Null for members who may not read it: see `viewerCanReadAuditLog`.',
      args: {
        ...pageArguments(),
        filter: t.arg({ type: AuditLogFilter, description: 'Entries that are wanted; all if absent.' }),
      },
      resolve: (team, { filter, ...page }, { deps }) => listAuditLog(deps, team, page, filter ?? {}),
    }),
    workspaces: t.field({
      type: WorkspaceConnection,
      description: 'Workspaces of the team that the viewer is a member of, oldest first.',
      args: pageArguments(),
      resolve: (team, page, context) =>
        listWorkspaces(context.deps, requireViewer(context), page, { teamId: team.id }),
    }),
  }),
});

export const TeamConnection = connectionOf(Team);

builder.queryField('team', (t) =>
  t.field({
    type: Team,
    nullable: true,
    description: 'Team with this id. Null if there is none or the viewer is no member.',
    args: { id: t.arg.id({ required: true, description: 'Id of the team.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.teams.load(id),
  }),
);

const currentTeam = (t: PayloadFields<{ team: TeamShape }>) => ({
  team: t.expose('team', { type: Team, description: 'The team as it is now.' }),
});

mutation('createTeam', {
  description:
    'Creates a team, which begins with the plan of the viewer and needs BUSINESS. A person owns at most 20.',
  input: (t) => ({
    name: t.string({ required: true, description: 'Name of the team, 1 to 100 characters.' }),
  }),
  errors: [errors.InvalidInputError, errors.PlanRequiredError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ team: await createTeam(deps, viewer, input) }),
  payload: currentTeam,
});

mutation('updateTeam', {
  description: 'Changes the name of a team.',
  inputRule: LEFT_OUT,
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the team.' }),
    name: t.string({ description: 'New name of the team, 1 to 100 characters.' }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, input) => ({ team: await updateTeam(deps, viewer, input) }),
  payload: currentTeam,
});

mutation('deleteTeam', {
  description: 'Deletes a team with its keys and invitations for good. Its workspaces must be deleted first.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the team.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await deleteTeam(deps, viewer, id) }),
  payload: removedId('deleted team'),
});

mutation('leaveTeam', {
  description:
    'Ends the viewer’s membership in a team and all of its workspaces. The viewer’s threads stay: nobody sees the private ones unless the viewer becomes a member again. The OWNER cannot leave.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the team.' }) }),
  errors: [errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await leaveTeam(deps, viewer, id) }),
  payload: removedId('membership in the team that has ended'),
});

mutation('transferTeam', {
  description:
    'Makes a member the OWNER of a team and all of its workspaces. The previous OWNER becomes ADMIN. The team keeps its plan.',
  input: (t) => ({
    id: t.id({ required: true, description: 'Id of the team.' }),
    userId: t.id({ required: true, description: 'Id of the member who becomes OWNER.' }),
  }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, input) => ({ team: await transferTeam(deps, viewer, input) }),
  payload: currentTeam,
});
