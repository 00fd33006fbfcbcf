import * as errors from '../errors.ts';
import type { Invitation as InvitationShape } from '../workspaces/invitation.ts';
import { acceptInvitation, createInvitation, DEFAULT_HOURS, revokeInvitation } from '../workspaces/invite.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { mutation, removedId } from './mutation.ts';
import { Team } from './team.ts';
import { User } from './user.ts';
import { Role, Workspace } from './workspace.ts';

const Invitation = builder.objectRef<InvitationShape>('Invitation').implement({
  description: 'An open invitation into a workspace or team, for one person: whoever accepts it first.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its id, which does not open it.' }),
    role: t.expose('role', { type: Role, description: 'What whoever accepts it becomes.' }),
    createdBy: t.field({
      type: User,
      description: 'Who made it. It opens nothing while they may not manage members.',
      resolve: async ({ createdBy }, _args, { loaders }) => {
        const user = await loaders.users.load(createdBy);
        if (user === null) throw new Error('the account that made an invitation is gone');
        return user;
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when it can be accepted.' }),
  }),
});

export const InvitationConnection = connectionOf(Invitation);

mutation('createInvitation', {
  description:
    'Invites one person, whoever has the token, into a shared workspace or a team. At most 100 can be open at a time.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'A shared workspace that belongs to a person.' }),
    teamId: t.id({ description: 'A team. Its workspaces are then opened one by one with `addMember`.' }),
    role: t.field({
      type: Role,
      required: true,
      description: 'What whoever accepts it becomes: ADMIN, MEMBER or, in a workspace, VIEWER.',
    }),
    expiresInHours: t.int({
      defaultValue: DEFAULT_HOURS,
      description: 'For how many hours it is good, from 1 to 720.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: (deps, viewer, input) => createInvitation(deps, viewer, input),
  payload: (t) => ({
    invitation: t.expose('invitation', { type: Invitation, description: 'The invitation.' }),
    token: t.exposeString('token', {
      description:
        'What opens it, 43 characters fit for a link; give it to the person alone. It is told only this once: the server keeps a hash of it.',
    }),
  }),
});

mutation('revokeInvitation', {
  description: 'Takes an invitation back, so that nobody can accept it any more.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the invitation.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError],
  run: async (deps, viewer, { id }) => ({ removedId: await revokeInvitation(deps, viewer, id) }),
  payload: removedId('invitation'),
});

mutation('acceptInvitation', {
  description:
    'Makes the viewer a member of what the token invites into, and uses it up. One that has expired, was used or revoked is answered like one that never was.',
  input: (t) => ({ token: t.string({ required: true, description: 'What `createInvitation` gave.' }) }),
  errors: [errors.NotFoundError, errors.ConflictError, errors.BusyError],
  run: (deps, viewer, input) => acceptInvitation(deps, viewer, input),
  payload: (t) => ({
    workspace: t.field({
      type: Workspace,
      nullable: true,
      description: 'The workspace that the viewer is in now. Null if it was a team.',
      resolve: (tenant) => (tenant.type === 'workspace' ? tenant : null),
    }),
    team: t.field({
      type: Team,
      nullable: true,
      description: 'The team that the viewer is in now. Null if it was a workspace.',
      resolve: (tenant) => (tenant.type === 'team' ? tenant : null),
    }),
  }),
});
