import * as errors from '../errors.ts';
import type { Invitation as InvitationShape } from '../workspaces/invitation.ts';
import { acceptInvitation, createInvitation, DEFAULT_HOURS, revokeInvitation } from '../workspaces/invite.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { mutation, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { Team } from './team.ts';
import { loadTenant, Tenant } from './tenant.ts';
import { User } from './user.ts';
import { Role, Workspace } from './workspace.ts';

const Invitation = builder.objectRef<InvitationShape>('Invitation').implement({
  description:
    'An open invitation into a workspace or team, for one person: the first who accepts it. Its id is not the token that accepts it.',
  interfaces: [Node],
  fields: (t) => ({
    tenant: t.field({
      type: Tenant,
      description: 'Workspace or team that the invitation is into.',
      resolve: (invitation, _args, { loaders }) => loadTenant(invitation, loaders),
    }),
    role: t.expose('role', { type: Role, description: 'Role that the person who accepts it gets.' }),
    createdBy: t.field({
      type: User,
      description:
        'User who created the invitation. It cannot be accepted while this user may not manage members.',
      resolve: async ({ createdBy }, _args, { loaders }) => {
        const user = await loaders.users.load(createdBy);
        if (user === null) throw new Error('the account that made an invitation is gone');
        return user;
      },
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the invitation was created.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'Time until which it can be accepted.',
    }),
  }),
});

export const InvitationConnection = connectionOf(Invitation);

mutation('createInvitation', {
  description:
    'Invites one person, the first who uses the token, into a shared workspace or a team. At most 100 invitations can be open at a time.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'Id of a shared workspace that belongs to a person.' }),
    teamId: t.id({
      description: 'Id of a team. New members are added to its workspaces one by one with `addMember`.',
    }),
    role: t.field({
      type: Role,
      required: true,
      description: 'Role that the person gets: ADMIN, MEMBER or, in a workspace, VIEWER.',
    }),
    expiresInHours: t.int({
      defaultValue: DEFAULT_HOURS,
      description: 'Number of hours until the invitation expires, from 1 to 720.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: (deps, viewer, input) => createInvitation(deps, viewer, input),
  payload: (t) => ({
    invitation: t.expose('invitation', { type: Invitation, description: 'The invitation that was created.' }),
    token: t.exposeString('token', {
      description:
        'Token that accepts the invitation, 43 characters fit for a link; give it to the person alone. It is shown only this once: the server keeps a hash of it.',
    }),
  }),
});

mutation('revokeInvitation', {
  description: 'Revokes an invitation, so that nobody can accept it any more.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the invitation.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, { id }) => ({ removedId: await revokeInvitation(deps, viewer, id) }),
  payload: removedId('invitation that was revoked'),
});

mutation('acceptInvitation', {
  description:
    'Makes the viewer a member of what the token invites into, and uses it up. An invitation that has expired, was used or was revoked gives the same error as one that never existed.',
  input: (t) => ({
    token: t.string({ required: true, description: 'Token that `createInvitation` returned.' }),
  }),
  errors: [errors.NotFoundError, errors.ConflictError, errors.BusyError],
  run: (deps, viewer, input) => acceptInvitation(deps, viewer, input),
  payload: (t) => ({
    workspace: t.field({
      type: Workspace,
      nullable: true,
      description: 'Workspace that the viewer is now a member of. Null if the invitation was into a team.',
      resolve: (tenant) => (tenant.type === 'workspace' ? tenant : null),
    }),
    team: t.field({
      type: Team,
      nullable: true,
      description: 'Team that the viewer is now a member of. Null if the invitation was into a workspace.',
      resolve: (tenant) => (tenant.type === 'team' ? tenant : null),
    }),
  }),
});
