import * as errors from '../errors.ts';
import { leaveTeam } from '../workspaces/leave.ts';
import type { Team as TeamShape } from '../workspaces/team.ts';
import { createTeam, deleteTeam, updateTeam } from '../workspaces/team-life.ts';
import { transferTeam } from '../workspaces/transfer.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { Team } from './team.ts';

const teamPayload = (name: string, description: string) =>
  builder.objectRef<{ team: TeamShape }>(name).implement({
    description,
    fields: (t) => ({
      team: t.expose('team', { type: Team, description: 'The team as it stands now.' }),
    }),
  });

const CreateTeamInput = builder.inputType('CreateTeamInput', {
  description: 'A team to create.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Its name, 1 to 100 characters.' }),
  }),
});

builder.mutationField('createTeam', (t) =>
  t.field({
    type: teamPayload('CreateTeamPayload', 'A team that was created.'),
    description:
      'Creates a team, which begins with the plan of the viewer and needs BUSINESS. A person owns at most 20.',
    args: { input: t.arg({ type: CreateTeamInput, required: true, description: 'The team.' }) },
    errors: {
      types: [errors.InvalidInputError, errors.PlanRequiredError, errors.ConflictError],
    },
    resolve: async (_root, { input }, context) => ({
      team: await createTeam(context.deps, requireViewer(context), input),
    }),
  }),
);

const UpdateTeamInput = builder.inputType('UpdateTeamInput', {
  description: 'What to change about a team. Fields left out stay as they are.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the team.' }),
    name: t.string({ description: 'A new name, 1 to 100 characters.' }),
  }),
});

builder.mutationField('updateTeam', (t) =>
  t.field({
    type: teamPayload('UpdateTeamPayload', 'A team that was changed.'),
    description: 'Renames a team.',
    args: { input: t.arg({ type: UpdateTeamInput, required: true, description: 'What to change.' }) },
    errors: { types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError] },
    resolve: async (_root, { input }, context) => ({
      team: await updateTeam(context.deps, requireViewer(context), input),
    }),
  }),
);

const DeleteTeamInput = builder.inputType('DeleteTeamInput', {
  description: 'Which team to delete.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the team.' }) }),
});

const DeleteTeamPayload = builder.objectRef<{ removedId: string }>('DeleteTeamPayload').implement({
  description: 'A team that was deleted.',
  fields: (t) => ({ removedId: t.exposeID('removedId', { description: 'Id of the deleted team.' }) }),
});

builder.mutationField('deleteTeam', (t) =>
  t.field({
    type: DeleteTeamPayload,
    description:
      'Deletes a team with its keys and invitations for good. Its workspaces have to be deleted before.',
    args: { input: t.arg({ type: DeleteTeamInput, required: true, description: 'Which team.' }) },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      removedId: await deleteTeam(context.deps, requireViewer(context), input.id),
    }),
  }),
);

const LeaveTeamInput = builder.inputType('LeaveTeamInput', {
  description: 'Which team to leave.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the team.' }) }),
});

const LeaveTeamPayload = builder.objectRef<{ leftId: string }>('LeaveTeamPayload').implement({
  description: 'A team that the viewer has left.',
  fields: (t) => ({ leftId: t.exposeID('leftId', { description: 'Id of the team.' }) }),
});

builder.mutationField('leaveTeam', (t) =>
  t.field({
    type: LeaveTeamPayload,
    description:
      'Takes the viewer out of a team and all of its workspaces. Their threads stay: private ones are seen by nobody, and are theirs again if they come back. The OWNER cannot leave.',
    args: { input: t.arg({ type: LeaveTeamInput, required: true, description: 'Which team.' }) },
    errors: { types: [errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      leftId: await leaveTeam(context.deps, requireViewer(context), input.id),
    }),
  }),
);

const TransferTeamInput = builder.inputType('TransferTeamInput', {
  description: 'Which team to hand over to whom.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the team.' }),
    userId: t.id({ required: true, description: 'The member who becomes its OWNER.' }),
  }),
});

builder.mutationField('transferTeam', (t) =>
  t.field({
    type: teamPayload('TransferTeamPayload', 'A team that was handed over.'),
    description:
      'Makes a member the OWNER of a team and all of its workspaces. The previous OWNER becomes ADMIN. The team keeps its plan.',
    args: {
      input: t.arg({ type: TransferTeamInput, required: true, description: 'What goes to whom.' }),
    },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      team: await transferTeam(context.deps, requireViewer(context), input),
    }),
  }),
);
