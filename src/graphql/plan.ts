import * as errors from '../errors.ts';
import type { Plan as PlanShape } from '../workspaces/plan.ts';
import { type PlanOfPayer, setPlan } from '../workspaces/set-plan.ts';
import { builder } from './builder.ts';
import { requireOperator } from './context.ts';
import { Plan } from './workspace.ts';

const SetPlanInput = builder.inputType('SetPlanInput', {
  description: 'Whose plan to set, and to what. Give one of `userId`, `email` and `teamId`.',
  fields: (t) => ({
    userId: t.id({ description: 'Id of the user who pays.' }),
    email: t.string({ description: 'The address that user signs in with.' }),
    teamId: t.id({ description: 'Id of the team that pays.' }),
    plan: t.field({
      type: Plan,
      description:
        'The plan. An explicit null takes away the one that was set, so that the server’s default applies.',
    }),
  }),
});

const SetPlanPayload = builder
  .objectRef<PlanOfPayer & { previousPlan: PlanShape }>('SetPlanPayload')
  .implement({
    description: 'A plan that was set. To set the same one again changes nothing, so a call may be repeated.',
    fields: (t) => ({
      userId: t.exposeID('userId', { nullable: true, description: 'The user who pays. Null for a team.' }),
      teamId: t.exposeID('teamId', { nullable: true, description: 'The team that pays. Null for a user.' }),
      plan: t.expose('plan', { type: Plan, description: 'The plan that applies now.' }),
      previousPlan: t.expose('previousPlan', { type: Plan, description: 'The one that applied before.' }),
      isDefault: t.exposeBoolean('isDefault', {
        description: 'Whether it is the server’s default, since no other is set.',
      }),
      workspaceCount: t.int({
        description: 'How many workspaces the plan applies to: all that this user or team pays for.',
        resolve: ({ workspaceIds }) => workspaceIds.length,
      }),
    }),
  });

builder.mutationField('setPlan', (t) =>
  t.field({
    type: SetPlanPayload,
    description:
      'Sets the plan of a user or a team, for a billing system. Only whoever runs the server may: with the token of `LATCHKEY_OPERATOR_TOKEN` in the header `x-latchkey-operator-token`, over HTTP, without signing in. Keys that the plan does not include become SUSPENDED and nothing else stops; with a plan that does they are what they were.',
    args: { input: t.arg({ type: SetPlanInput, required: true, description: 'Whose plan, and which.' }) },
    errors: { types: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError] },
    resolve: async (_root, { input: { plan, ...payer } }, context) => {
      requireOperator(context, 'set plans');
      return await setPlan(context.deps, payer, requireGiven(plan));
    },
  }),
);

/** A program that forgets the field would otherwise take the plan away. */
function requireGiven(plan: PlanShape | null | undefined): PlanShape | null {
  if (plan !== undefined) return plan;
  throw new errors.InvalidInputError([
    { path: 'plan', message: 'Give `plan`, or an explicit null for the default of the server.' },
  ]);
}
