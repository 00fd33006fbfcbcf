import type { Viewer as ViewerShape } from '../accounts/session.ts';
import type { User as UserShape } from '../accounts/user.ts';
import { viewerIdOf } from '../db/id.ts';
import { listTeams } from '../workspaces/team.ts';
import { ensurePersonalWorkspace, listWorkspaces } from '../workspaces/workspace.ts';
import { builder } from './builder.ts';
import { pageArguments } from './connection.ts';
import { Node } from './node.ts';
import { TeamConnection } from './team.ts';
import { Workspace, WorkspaceConnection } from './workspace.ts';

export const User = builder.objectRef<UserShape>('User').implement({
  description:
    'A person as others see them. `node` finds the viewer and people in a workspace or team that the viewer is in.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name that the person gave at sign-up.' }),
  }),
});

const Viewer = builder.objectRef<ViewerShape>('Viewer').implement({
  description: 'The person who is signed in.',
  fields: (t) => ({
    id: t.id({
      description: 'Id of the viewer, for caches. The id of the person is `user.id`.',
      resolve: ({ id }) => viewerIdOf(id),
    }),
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
      type: WorkspaceConnection,
      description:
        'Workspaces that the viewer is a member of: the personal one, then the others, oldest first.',
      args: pageArguments(),
      resolve: async (viewer, page, { deps }) => {
        await ensurePersonalWorkspace(deps, viewer);
        return await listWorkspaces(deps, viewer, page);
      },
    }),
    teams: t.field({
      type: TeamConnection,
      description: 'Teams that the viewer is a member of, oldest first.',
      args: pageArguments(),
      resolve: (viewer, page, { deps }) => listTeams(deps, viewer, page),
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
