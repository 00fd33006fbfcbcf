import { listAuditEntries } from '../audit/entry.ts';
import { listApiKeys } from '../keys/api-key.ts';
import { findSealingKey } from '../keys/sealing-key.ts';
import { listInvitations } from '../workspaces/invitation.ts';
import { listMembers } from '../workspaces/member.ts';
import { mayDo } from '../workspaces/membership.ts';
import { planOf } from '../workspaces/plan.ts';
import type { Team as TeamShape } from '../workspaces/team.ts';
import { findWorkspacesOfTeam } from '../workspaces/workspace.ts';
import { ApiKeyConnection } from './api-key.ts';
import { AuditEntryConnection } from './audit.ts';
import { builder } from './builder.ts';
import { pageArguments } from './connection.ts';
import { requireViewer } from './context.ts';
import { InvitationConnection } from './invitation.ts';
import { MemberConnection } from './member.ts';
import { Node } from './node.ts';
import { Plan, Role, SealingKey, Workspace } from './workspace.ts';

export const Team = builder.objectRef<TeamShape>('Team');

Team.implement({
  description:
    'A group of people that owns shared workspaces, and provider keys that are used in all of them.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    plan: t.field({
      type: Plan,
      description: 'Its plan, which is that of its workspaces too. Keys of a team need BUSINESS.',
      resolve: (team, _args, { deps }) => planOf(team, deps.defaultPlan),
    }),
    viewerRole: t.expose('viewerRole', {
      type: Role,
      description: 'What the viewer may do in it: OWNER, ADMIN or MEMBER.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    sealingKey: t.field({
      type: SealingKey,
      description: 'The key to seal secrets with for this team.',
      resolve: (team, _args, { deps }) => findSealingKey(deps, team.id),
    }),
    apiKeys: t.field({
      type: ApiKeyConnection,
      description: 'Its provider keys, oldest first. Empty for members who may not manage keys.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listApiKeys(deps, team, page),
    }),
    members: t.field({
      type: MemberConnection,
      description: 'Everybody in it, those with the oldest accounts first. All of them may see that.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listMembers(deps, team, page),
    }),
    invitations: t.field({
      type: InvitationConnection,
      description: 'Its open invitations, oldest first. Empty for members who may not manage members.',
      args: pageArguments(),
      resolve: (team, page, { deps }) => listInvitations(deps, team, page),
    }),
    auditLog: t.field({
      type: AuditEntryConnection,
      nullable: true,
      description: 'What was done to it, newest first. Null for members who may not read it.',
      args: pageArguments(),
      resolve: (team, page, { deps }) =>
        mayDo(team.viewerRole, 'readAuditLog') ? listAuditEntries(deps, team.id, page) : null,
    }),
    workspaces: t.field({
      type: [Workspace],
      description: 'Its workspaces that the viewer is in, oldest first.',
      resolve: (team, _args, context) => findWorkspacesOfTeam(context.deps, requireViewer(context), team.id),
    }),
  }),
});

builder.queryField('team', (t) =>
  t.field({
    type: Team,
    nullable: true,
    description: 'The team with this id. Null if there is none or the viewer is no member.',
    args: { id: t.arg.id({ required: true, description: 'Id of the team.' }) },
    resolve: (_root, { id }, { loaders }) => loaders.teams.load(id),
  }),
);
