import * as errors from '../errors.ts';
import { addMember, removeMember, updateMember } from '../workspaces/manage-members.ts';
import type { Member as MemberShape } from '../workspaces/member.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { mutation, type PayloadFields, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { loadTenant, Tenant } from './tenant.ts';
import { User } from './user.ts';
import { Role } from './workspace.ts';

export const Member = builder.objectRef<MemberShape>('Member').implement({
  description:
    'A person in a workspace or team. Every member may see the others. The id is that of the membership, and the same again if the person leaves and comes back.',
  interfaces: [Node],
  fields: (t) => ({
    tenant: t.field({
      type: Tenant,
      description: 'Workspace or team that the person is a member of.',
      resolve: (member, _args, { loaders }) => loadTenant(member, loaders),
    }),
    user: t.field({
      type: User,
      description: 'User who is the member.',
      resolve: async ({ userId }, _args, { loaders }) => {
        const user = await loaders.users.load(userId);
        if (user === null) throw new Error('the account of a member is gone');
        return user;
      },
    }),
    role: t.expose('role', {
      type: Role,
      description:
        'Role of the member. In a team’s workspace the OWNER and ADMINs are the same as in the team.',
    }),
    joinedAt: t.expose('joinedAt', {
      type: 'DateTime',
      description: 'Time at which the person became a member; for the OWNER, the time of creation.',
    }),
  }),
});

export const MemberConnection = connectionOf(Member);

const currentMember = (t: PayloadFields<{ member: MemberShape }>) => ({
  member: t.expose('member', { type: Member, description: 'The member with the present role.' }),
});

const ERRORS = [
  errors.InvalidInputError,
  errors.NotPermittedError,
  errors.NotFoundError,
  errors.ConflictError,
];

mutation('addMember', {
  description:
    'Makes a member of a team a member of one of its workspaces. Into a workspace that belongs to a person, and into a team, people come by invitation.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Id of the workspace, which belongs to a team.' }),
    userId: t.id({ required: true, description: 'Id of the user, who is a member of that team.' }),
    role: t.field({
      type: Role,
      required: true,
      description: 'Role of the new member: ADMIN, MEMBER or VIEWER.',
    }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ member: await addMember(deps, viewer, input) }),
  payload: currentMember,
});

mutation('updateMember', {
  description:
    'Gives a member another role. The role of the OWNER cannot be changed, and the role of a team’s ADMIN in its workspaces is changed in the team.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'Id of the workspace.' }),
    teamId: t.id({ description: 'Id of the team.' }),
    userId: t.id({ required: true, description: 'Id of the user.' }),
    role: t.field({
      type: Role,
      required: true,
      description:
        'New role: ADMIN, MEMBER or, in a workspace, VIEWER. For OWNER use `transferWorkspace` or `transferTeam`.',
    }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ member: await updateMember(deps, viewer, input) }),
  payload: currentMember,
});

mutation('removeMember', {
  description:
    'Removes a member; the OWNER cannot be removed. The member’s access ends, and so do answers that are being written for them. Their threads stay: nobody sees the private ones unless the person becomes a member again.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'Id of the workspace.' }),
    teamId: t.id({ description: 'Id of the team. The person is then removed from its workspaces as well.' }),
    userId: t.id({ required: true, description: 'Id of the user.' }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ removedId: (await removeMember(deps, viewer, input)).id }),
  payload: removedId('membership that has ended'),
});
