import { linkUrl } from '../accounts/one-time-link.ts';
import * as errors from '../errors.ts';
import {
  type Account as AccountShape,
  createPasswordReset,
  type EndedSessions,
  listAccounts,
  setAccountDisabled,
  signOutAccount,
} from '../workspaces/control-account.ts';
import { builder } from './builder.ts';
import { connectionOf, pageArguments } from './connection.ts';
import { requireOperator } from './context.ts';

const TOKEN = 'the token of `LATCHKEY_OPERATOR_TOKEN` in the header `x-latchkey-operator-token`';
const OPERATOR_ONLY = `Only the operator of the server may: with ${TOKEN}, over HTTP, without signing in.`;
const WHOSE = 'Whose account.';
const ERRORS = [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError];

const Account = builder.objectRef<AccountShape>('Account').implement({
  description: 'An account on this server as its operator sees it. People see a User, and their own Viewer.',
  fields: (t) => ({
    id: t.id({
      description: 'Opaque id of the account, for caches. It is not that of the user.',
      resolve: ({ userId }) => `${userId}.account`,
    }),
    userId: t.exposeID('userId', { description: 'Id of the user whose account it is.' }),
    email: t.exposeString('email', { description: 'Address that the person signs in with.' }),
    name: t.exposeString('name', { description: 'Name that others see.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was made.' }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the account was disabled. Null if it is not: its person can sign in.',
    }),
    openSessionCount: t.exposeInt('openSessionCount', {
      description: 'How many sessions of the person are open. A session is one sign-in on one device.',
    }),
  }),
});

builder.queryField('accounts', (t) =>
  t.field({
    type: connectionOf(Account),
    nullable: true,
    description: `Accounts on this server, oldest first. Null for everybody but the operator, who sends ${TOKEN}.`,
    args: pageArguments(),
    resolve: (_root, page, { deps, isOperator }) => (isOperator ? listAccounts(deps, page) : null),
  }),
);

const DisableUserPayload = builder.objectRef<EndedSessions>('DisableUserPayload').implement({
  description: 'An account that is disabled. To disable it again changes nothing.',
  fields: (t) => ({
    account: t.expose('account', { type: Account, description: 'Account as it is now.' }),
    endedSessionCount: t.exposeInt('endedSessionCount', { description: 'How many sessions were ended.' }),
  }),
});

builder.mutationField('disableUser', (t) =>
  t.field({
    type: DisableUserPayload,
    description: `Disables a person's account: their sessions, sockets and event streams end within a second, answers that are being written for them fail with NOT_PERMITTED, and signing in is refused. Nothing of theirs is deleted. ${OPERATOR_ONLY}`,
    args: { input: t.arg({ type: inputOf('DisableUser', 'disable'), required: true, description: WHOSE }) },
    errors: { types: ERRORS },
    resolve: async (_root, { input }, context) => {
      requireOperator(context, 'disable accounts');
      return await setAccountDisabled(context.deps, input, true);
    },
  }),
);

const EnableUserPayload = builder.objectRef<EndedSessions>('EnableUserPayload').implement({
  description: 'An account that is enabled. To enable it again changes nothing.',
  fields: (t) => ({
    account: t.expose('account', { type: Account, description: 'Account as it is now.' }),
  }),
});

builder.mutationField('enableUser', (t) =>
  t.field({
    type: EnableUserPayload,
    description: `Enables a person's account that was disabled, so that they can sign in again. ${OPERATOR_ONLY}`,
    args: { input: t.arg({ type: inputOf('EnableUser', 'enable'), required: true, description: WHOSE }) },
    errors: { types: ERRORS },
    resolve: async (_root, { input }, context) => {
      requireOperator(context, 'enable accounts');
      return await setAccountDisabled(context.deps, input, false);
    },
  }),
);

const SignOutUserPayload = builder.objectRef<EndedSessions>('SignOutUserPayload').implement({
  description: 'An account whose sessions were ended. Its person may sign in again.',
  fields: (t) => ({
    account: t.expose('account', { type: Account, description: 'Account as it is now.' }),
    endedSessionCount: t.exposeInt('endedSessionCount', { description: 'How many sessions were ended.' }),
  }),
});

builder.mutationField('signOutUser', (t) =>
  t.field({
    type: SignOutUserPayload,
    description: `Ends all sessions of a person, with their sockets and event streams. ${OPERATOR_ONLY}`,
    args: { input: t.arg({ type: inputOf('SignOutUser', 'sign out'), required: true, description: WHOSE }) },
    errors: { types: ERRORS },
    resolve: async (_root, { input }, context) => {
      requireOperator(context, 'sign people out');
      return await signOutAccount(context.deps, input);
    },
  }),
);

const CreatePasswordResetPayload = builder
  .objectRef<Awaited<ReturnType<typeof createPasswordReset>>>('CreatePasswordResetPayload')
  .implement({
    description: 'A link with which a person sets a new password. It works once.',
    fields: (t) => ({
      account: t.expose('account', { type: Account, description: 'Account whose password it sets.' }),
      url: t.string({
        description:
          'Address of a page of this server that asks for the new password. Whoever opens it can take the account over: send it to its person and nobody else.',
        resolve: ({ token }, _args, { publicUrl }) => linkUrl(publicUrl, 'reset-password', token),
      }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link stops working.' }),
    }),
  });

builder.mutationField('createPasswordReset', (t) =>
  t.field({
    type: CreatePasswordResetPayload,
    description: `Makes a link with which a person who forgot their password sets a new one, once and within an hour. All their sessions end when they do. ${OPERATOR_ONLY}`,
    args: {
      input: t.arg({
        type: inputOf('CreatePasswordReset', 'reset the password of'),
        required: true,
        description: WHOSE,
      }),
    },
    errors: { types: ERRORS },
    resolve: async (_root, { input }, context) => {
      requireOperator(context, 'reset passwords');
      return await createPasswordReset(context.deps, input);
    },
  }),
);

function inputOf(mutation: string, verb: string) {
  return builder.inputType(`${mutation}Input`, {
    description: `Whom to ${verb}. Give one of \`userId\` and \`email\`.`,
    fields: (t) => ({
      userId: t.id({ description: 'Id of the user.' }),
      email: t.string({ description: 'Address that the user signs in with.' }),
    }),
  });
}
