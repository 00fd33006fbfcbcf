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
import { type InputFields, OPERATOR_TOKEN, operatorMutation, type PayloadFields } from './mutation.ts';

const Account = builder.objectRef<AccountShape>('Account').implement({
  description: 'An account on this server as its operator sees it. People see a User, and their own Viewer.',
  fields: (t) => ({
    id: t.id({
      description: 'Id of the account, for caches. It is not the id of the user.',
      resolve: ({ userId }) => `${userId}.account`,
    }),
    userId: t.exposeID('userId', { description: 'Id of the user whose account it is.' }),
    email: t.exposeString('email', { description: 'Address that the person signs in with.' }),
    name: t.exposeString('name', { description: 'Name that others see.' }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the account was created.',
    }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Time at which the account was disabled. Null if it is not: its person can sign in.',
    }),
    openSessionCount: t.exposeInt('openSessionCount', {
      description: 'Number of open sessions of the person. A session is one sign-in on one device.',
    }),
  }),
});

builder.queryField('accounts', (t) =>
  t.field({
    type: connectionOf(Account),
    nullable: true,
    description: `Accounts on this server, oldest first. Null unless the request is the operator’s, with ${OPERATOR_TOKEN}.`,
    args: pageArguments(),
    resolve: (_root, page, { deps, isOperator }) => (isOperator ? listAccounts(deps, page) : null),
  }),
);

const currentAccount = (t: PayloadFields<{ account: AccountShape }>) => ({
  account: t.expose('account', { type: Account, description: 'Account as it is now.' }),
});

const endedSessions = (t: PayloadFields<EndedSessions>) => ({
  ...currentAccount(t),
  endedSessionCount: t.exposeInt('endedSessionCount', { description: 'Number of sessions that were ended.' }),
});

/** The input of these four mutations. */
const onAccount = {
  inputRule: 'Give one of `userId` and `email`.',
  input: (t: InputFields) => ({
    userId: t.id({ description: 'Id of the user.' }),
    email: t.string({ description: 'Address that the user signs in with.' }),
  }),
  errors: [errors.InvalidInputError, errors.NotPermittedError, errors.NotFoundError],
};

operatorMutation('disableUser', {
  ...onAccount,
  action: 'disable accounts',
  description:
    'Disables a person’s account: their sessions, sockets and event streams end within a second, answers that are being written for them fail with NOT_PERMITTED, and signing in is refused. Nothing of theirs is deleted. Disabling it again changes nothing.',
  run: (deps, input) => setAccountDisabled(deps, input, true),
  payload: endedSessions,
});

operatorMutation('enableUser', {
  ...onAccount,
  action: 'enable accounts',
  description:
    'Enables a person’s account that was disabled, so that they can sign in again. Enabling it again changes nothing.',
  run: (deps, input) => setAccountDisabled(deps, input, false),
  payload: currentAccount,
});

operatorMutation('signOutUser', {
  ...onAccount,
  action: 'sign people out',
  description:
    'Ends all sessions of a person, with their sockets and event streams. The person may sign in again.',
  run: signOutAccount,
  payload: endedSessions,
});

operatorMutation('createPasswordReset', {
  ...onAccount,
  action: 'reset passwords',
  description:
    'Makes a link with which a person who forgot their password sets a new one, once and within an hour. All their sessions end when they do.',
  run: createPasswordReset,
  payload: (t) => ({
    account: t.expose('account', { type: Account, description: 'Account whose password it sets.' }),
    url: t.string({
      description:
        'Address of a page of this server that asks for the new password. Anyone who opens it can take the account over: send it to its person and nobody else.',
      resolve: ({ token }, _args, { publicUrl }) => linkUrl(publicUrl, 'reset-password', token),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'Time at which the link stops working.',
    }),
  }),
});
