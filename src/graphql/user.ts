import type { Viewer as ViewerShape } from '../accounts/session.ts';
import type { User as UserShape } from '../accounts/user.ts';
import { findTeams } from '../workspaces/team.ts';
import { ensurePersonalWorkspace, findWorkspaces } from '../workspaces/workspace.ts';
import { builder } from './builder.ts';
import { Team } from './team.ts';
import { Workspace } from './workspace.ts';

export const User = builder.objectRef<UserShape>('User').implement({
  description: 'A person as others see them.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Id of the person.' }),
    name: t.exposeString('name', { description: 'Name that the person gave at sign-up.' }),
  }),
});

const Viewer = builder.objectRef<ViewerShape>('Viewer').implement({
  description: 'The person who is signed in.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Id of the person, the same as `user.id`.' }),
    user: t.field({ type: User, description: 'The viewer as others see them.', resolve: (viewer) => viewer }),
    email: t.exposeString('email', {
      description: 'Address that the viewer signs in with. No other user sees it.',
    }),
    personalWorkspace: t.field({
      type: Workspace,
      description: 'Workspace of the viewer alone. There is always exactly one.',
      resolve: (viewer, _args, { deps }) => ensurePersonalWorkspace(deps, viewer),
    }),
    workspaces: t.field({
      type: [Workspace],
      description: 'All workspaces that the viewer is a member of, the personal one first.',
      resolve: async (viewer, _args, { deps }) => {
        await ensurePersonalWorkspace(deps, viewer);
        return await findWorkspaces(deps, viewer);
      },
    }),
    teams: t.field({
      type: [Team],
      description: 'All teams that the viewer is a member of, oldest first.',
      resolve: (viewer, _args, { deps }) => findTeams(deps, viewer),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: Viewer,
    nullable: true,
    description: 'The person who is signed in. Null if the request comes without a session.',
    resolve: (_root, _args, { viewer }) => viewer,
  }),
);
