import * as errors from '../errors.ts';
import { addMember, removeMember, updateMember } from '../workspaces/change-member.ts';
import type { Member as MemberShape } from '../workspaces/member.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { requireViewer } from './context.ts';
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

function memberId({ ownerId, userId }: MemberShape): string {
  return `${ownerId}.${userId}`;
}

const memberPayload = (name: string, description: string) =>
  builder.objectRef<{ member: MemberShape }>(name).implement({
    description,
    fields: (t) => ({
      member: t.expose('member', { type: Member, description: 'The member as they stand now.' }),
    }),
  });

const AddMemberInput = builder.inputType('AddMemberInput', {
  description: 'Somebody of a team to let into one of its workspaces.',
  fields: (t) => ({
    workspaceId: t.id({ required: true, description: 'The workspace, which belongs to a team.' }),
    userId: t.id({ required: true, description: 'The person, who is in that team.' }),
    role: t.field({ type: Role, required: true, description: 'ADMIN, MEMBER or VIEWER.' }),
  }),
});

builder.mutationField('addMember', (t) =>
  t.field({
    type: memberPayload('AddMemberPayload', 'Somebody who was let in.'),
    description:
      'Lets somebody of a team into one of its workspaces. Into a workspace that belongs to a person, and into a team, people come by invitation.',
    args: { input: t.arg({ type: AddMemberInput, required: true, description: 'Whom to let in.' }) },
    errors: {
      types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
    },
    resolve: async (_root, { input }, context) => ({
      member: await addMember(context.deps, requireViewer(context), input),
    }),
  }),
);

const UpdateMemberInput = builder.inputType('UpdateMemberInput', {
  description: 'Which member to give which role. Give either `workspaceId` or `teamId`.',
  fields: (t) => ({
    workspaceId: t.id({ description: 'The workspace.' }),
    teamId: t.id({ description: 'The team.' }),
    userId: t.id({ required: true, description: 'The person.' }),
    role: t.field({
      type: Role,
      required: true,
      description: 'ADMIN, MEMBER or, in a workspace, VIEWER. To make somebody OWNER, hand over.',
    }),
  }),
});

builder.mutationField('updateMember', (t) =>
  t.field({
    type: memberPayload('UpdateMemberPayload', 'A member who was changed.'),
    description:
      'Gives a member another role. Nobody changes the OWNER, and the role of a team’s ADMIN in its workspaces is changed in the team.',
    args: { input: t.arg({ type: UpdateMemberInput, required: true, description: 'Whom to change.' }) },
    errors: {
      types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
    },
    resolve: async (_root, { input }, context) => ({
      member: await updateMember(context.deps, requireViewer(context), input),
    }),
  }),
);

const RemoveMemberInput = builder.inputType('RemoveMemberInput', {
  description: 'Which member to remove. Give either `workspaceId` or `teamId`.',
  fields: (t) => ({
    workspaceId: t.id({ description: 'The workspace.' }),
    teamId: t.id({ description: 'The team. Its workspaces are then closed to the person as well.' }),
    userId: t.id({ required: true, description: 'The person.' }),
  }),
});

const RemoveMemberPayload = builder.objectRef<{ removedId: string }>('RemoveMemberPayload').implement({
  description: 'A member who was removed.',
  fields: (t) => ({ removedId: t.exposeID('removedId', { description: 'Id of the member.' }) }),
});

builder.mutationField('removeMember', (t) =>
  t.field({
    type: RemoveMemberPayload,
    description:
      'Removes a member; nobody removes the OWNER. What they see of it ends, and so do answers being written for them. Their threads stay: private ones are seen by nobody, and are theirs again if they come back.',
    args: { input: t.arg({ type: RemoveMemberInput, required: true, description: 'Whom to remove.' }) },
    errors: {
      types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
    },
    resolve: async (_root, { input }, context) => ({
      removedId: memberId(await removeMember(context.deps, requireViewer(context), input)),
    }),
  }),
);
