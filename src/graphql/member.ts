import * as errors from '../errors.ts';
import { addMember, removeMember, updateMember } from '../workspaces/manage-members.ts';
import type { Member as MemberShape } from '../workspaces/member.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { mutation, type PayloadFields, removedId } from './mutation.ts';
import { User } from './user.ts';
import { Role } from './workspace.ts';

export const Member = builder.objectRef<MemberShape>('Member').implement({
  description: 'Somebody in a workspace or team. Everybody in it may see who else is.',
  fields: (t) => ({
    id: t.id({
      description: 'Id of this person here. It is the same again if they leave and come back.',
      resolve: memberId,
    }),
    user: t.field({
      type: User,
      description: 'The person.',
      resolve: async ({ userId }, _args, { loaders }) => {
        const user = await loaders.users.load(userId);
        if (user === null) throw new Error('the account of a member is gone');
        return user;
      },
    }),
    role: t.expose('role', {
      type: Role,
      description:
        'What they may do here. In a team’s workspace its OWNER and ADMINs are the same as in the team.',
    }),
    joinedAt: t.expose('joinedAt', {
      type: 'DateTime',
      description: 'When they came in; for the OWNER, when it was made.',
    }),
  }),
});

export const MemberConnection = connectionOf(Member);

function memberId({ tenantId, userId }: MemberShape): string {
  return `${tenantId}.${userId}`;
}

const currentMember = (t: PayloadFields<{ member: MemberShape }>) => ({
  member: t.expose('member', { type: Member, description: 'The member as they stand now.' }),
});

const ERRORS = [
  errors.InvalidInputError,
  errors.NotPermittedError,
  errors.NotFoundError,
  errors.ConflictError,
];

mutation('addMember', {
  description:
    'Lets somebody of a team into one of its workspaces. Into a workspace that belongs to a person, and into a team, people come by invitation.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'The workspace, which belongs to a team.' }),
    userId: t.id({ required: true, description: 'The person, who is in that team.' }),
    role: t.field({ type: Role, required: true, description: 'ADMIN, MEMBER or VIEWER.' }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ member: await addMember(deps, viewer, input) }),
  payload: currentMember,
});

mutation('updateMember', {
  description:
    'Gives a member another role. Nobody changes the OWNER, and the role of a team’s ADMIN in its workspaces is changed in the team.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'The workspace.' }),
    teamId: t.id({ description: 'The team.' }),
    userId: t.id({ required: true, description: 'The person.' }),
    role: t.field({
      type: Role,
      required: true,
      description: 'ADMIN, MEMBER or, in a workspace, VIEWER. To make somebody OWNER, hand over.',
    }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ member: await updateMember(deps, viewer, input) }),
  payload: currentMember,
});

mutation('removeMember', {
  description:
    'Removes a member; nobody removes the OWNER. What they see of it ends, and so do answers being written for them. Their threads stay: private ones are seen by nobody, and are theirs again if they come back.',
  inputRule: 'Give either `workspaceId` or `teamId`.',
  input: (t) => ({
    workspaceId: t.id({ description: 'The workspace.' }),
    teamId: t.id({ description: 'The team. Its workspaces are then closed to the person as well.' }),
    userId: t.id({ required: true, description: 'The person.' }),
  }),
  errors: ERRORS,
  run: async (deps, viewer, input) => ({ removedId: memberId(await removeMember(deps, viewer, input)) }),
  payload: removedId('member'),
});
