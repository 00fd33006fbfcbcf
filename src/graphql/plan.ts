import * as errors from '../errors.ts';
import { setPlan } from '../workspaces/set-plan.ts';
import { operatorMutation } from './mutation.ts';
import { Plan } from './workspace.ts';

operatorMutation('setPlan', {
  action: 'set plans',
  description:
    'Sets the plan of a user or a team, for a billing system. Keys that the plan does not include become SUSPENDED and nothing else stops; with a plan that does they are as before. Setting the same plan again changes nothing, so a call may be repeated.',
  inputRule: 'Give one of `userId`, `email` and `teamId`.',
  input: (t) => ({
    userId: t.id({ description: 'Id of the user who pays.' }),
    email: t.string({ description: 'Address that this user signs in with.' }),
    teamId: t.id({ description: 'Id of the team that pays.' }),
    plan: t.field({
      type: Plan,
      description:
        'Plan to set. An explicit null removes the one that was set, so that the server’s default applies.',
    }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
  run: (deps, { plan, ...payer }) => setPlan(deps, payer, plan),
  payload: (t) => ({
    userId: t.exposeID('userId', {
      nullable: true,
      description: 'Id of the user who pays. Null for a team.',
    }),
    teamId: t.exposeID('teamId', {
      nullable: true,
      description: 'Id of the team that pays. Null for a user.',
    }),
    plan: t.expose('plan', { type: Plan, description: 'Plan that applies now.' }),
    previousPlan: t.expose('previousPlan', { type: Plan, description: 'Plan that applied before.' }),
    isDefault: t.exposeBoolean('isDefault', {
      description: 'True if the plan is the server’s default, since no other is set.',
    }),
    workspaceCount: t.int({
      description: 'Number of workspaces that the plan applies to: all that this user or team pays for.',
      resolve: ({ workspaceIds }) => workspaceIds.length,
    }),
  }),
});
