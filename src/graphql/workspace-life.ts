import * as errors from '../errors.ts';
import { leaveWorkspace } from '../workspaces/leave.ts';
import { transferWorkspace } from '../workspaces/transfer.ts';
import type { Workspace as WorkspaceShape } from '../workspaces/workspace.ts';
import { createWorkspace, deleteWorkspace, updateWorkspace } from '../workspaces/workspace-life.ts';
import { builder } from './builder.ts';
import { requireViewer } from './context.ts';
import { Workspace } from './workspace.ts';

const workspacePayload = (name: string, description: string) =>
  builder.objectRef<{ workspace: WorkspaceShape }>(name).implement({
    description,
    fields: (t) => ({
      workspace: t.expose('workspace', { type: Workspace, description: 'The workspace as it stands now.' }),
    }),
  });

const CreateWorkspaceInput = builder.inputType('CreateWorkspaceInput', {
  description: 'A shared workspace to create.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Its name, 1 to 100 characters.' }),
    teamId: t.id({ description: 'The team that will own it and pay for it; the viewer if absent.' }),
  }),
});

builder.mutationField('createWorkspace', (t) =>
  t.field({
    type: workspacePayload('CreateWorkspacePayload', 'A workspace that was created.'),
    description: 'Creates a shared workspace. A person owns at most 100, and so does a team.',
    args: { input: t.arg({ type: CreateWorkspaceInput, required: true, description: 'The workspace.' }) },
    errors: {
      types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
    },
    resolve: async (_root, { input }, context) => ({
      workspace: await createWorkspace(context.deps, requireViewer(context), input),
    }),
  }),
);

const UpdateWorkspaceInput = builder.inputType('UpdateWorkspaceInput', {
  description: 'What to change about a workspace. Fields left out stay as they are.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    name: t.string({ description: 'A new name, 1 to 100 characters.' }),
  }),
});

builder.mutationField('updateWorkspace', (t) =>
  t.field({
    type: workspacePayload('UpdateWorkspacePayload', 'A workspace that was changed.'),
    description: 'Renames a workspace.',
    args: { input: t.arg({ type: UpdateWorkspaceInput, required: true, description: 'What to change.' }) },
    errors: { types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError] },
    resolve: async (_root, { input }, context) => ({
      workspace: await updateWorkspace(context.deps, requireViewer(context), input),
    }),
  }),
);

const DeleteWorkspaceInput = builder.inputType('DeleteWorkspaceInput', {
  description: 'Which workspace to delete.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the workspace.' }) }),
});

const DeleteWorkspacePayload = builder.objectRef<{ removedId: string }>('DeleteWorkspacePayload').implement({
  description: 'A workspace that was deleted.',
  fields: (t) => ({ removedId: t.exposeID('removedId', { description: 'Id of the deleted workspace.' }) }),
});

builder.mutationField('deleteWorkspace', (t) =>
  t.field({
    type: DeleteWorkspacePayload,
    description:
      'Deletes a shared workspace with its threads, keys and invitations for good. Answers that are being written in it end.',
    args: { input: t.arg({ type: DeleteWorkspaceInput, required: true, description: 'Which workspace.' }) },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      removedId: await deleteWorkspace(context.deps, requireViewer(context), input.id),
    }),
  }),
);

const LeaveWorkspaceInput = builder.inputType('LeaveWorkspaceInput', {
  description: 'Which workspace to leave.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of the workspace.' }) }),
});

const LeaveWorkspacePayload = builder.objectRef<{ leftId: string }>('LeaveWorkspacePayload').implement({
  description: 'A workspace that the viewer has left.',
  fields: (t) => ({ leftId: t.exposeID('leftId', { description: 'Id of the workspace.' }) }),
});

builder.mutationField('leaveWorkspace', (t) =>
  t.field({
    type: LeaveWorkspacePayload,
    description:
      'Takes the viewer out of a shared workspace. Their threads stay: private ones are seen by nobody, and are theirs again if they come back. The OWNER cannot leave.',
    args: { input: t.arg({ type: LeaveWorkspaceInput, required: true, description: 'Which workspace.' }) },
    errors: { types: [errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      leftId: await leaveWorkspace(context.deps, requireViewer(context), input.id),
    }),
  }),
);

const TransferWorkspaceInput = builder.inputType('TransferWorkspaceInput', {
  description: 'Which workspace to hand over to whom.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of the workspace.' }),
    userId: t.id({ required: true, description: 'The member who becomes its OWNER.' }),
  }),
});

builder.mutationField('transferWorkspace', (t) =>
  t.field({
    type: workspacePayload('TransferWorkspacePayload', 'A workspace that was handed over.'),
    description:
      'Makes a member the OWNER of a shared workspace, whose plan then counts for it. The previous OWNER becomes ADMIN. A team’s workspace stays with its team.',
    args: {
      input: t.arg({ type: TransferWorkspaceInput, required: true, description: 'What goes to whom.' }),
    },
    errors: { types: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError] },
    resolve: async (_root, { input }, context) => ({
      workspace: await transferWorkspace(context.deps, requireViewer(context), input),
    }),
  }),
);
