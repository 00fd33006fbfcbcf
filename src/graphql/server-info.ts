import { builder } from './builder.ts';
import type { ServerInfo as ServerInfoShape } from './context.ts';

const SignUp = builder.enumType('SignUp', {
  description: 'Way in which accounts are made on a server. May grow: treat an unknown value as CLOSED.',
  values: {
    OPEN: { description: 'Open: any person can sign up.' },
    INVITED: { description: 'By invitation: a person signs up with the token of an open invitation.' },
    CLOSED: { description: 'Closed: no person can sign up.' },
  } as const,
});

const ServerInfo = builder.objectRef<ServerInfoShape>('ServerInfo').implement({
  description: 'Facts about this server that a client needs before a person signs in.',
  fields: (t) => ({
    version: t.exposeString('version', { description: 'Version of Latchkey that runs, e.g. `0.2.0`.' }),
    signUp: t.expose('signUp', { type: SignUp, description: 'Way in which accounts are made here.' }),
    canResetPassword: t.exposeBoolean('canResetPassword', {
      description:
        'True if the server sends mail, so that a person who forgot their password can ask for a link.',
    }),
    maxFileBytes: t.exposeInt('maxFileBytes', { description: 'Largest size of one file, in bytes.' }),
    maxAnswersAtOnce: t.exposeInt('maxAnswersAtOnce', {
      description:
        'Largest number of answers that are written for one person at a time. A busy server may allow fewer for a while.',
    }),
  }),
});

builder.queryField('serverInfo', (t) =>
  t.field({
    type: ServerInfo,
    description: 'Facts about this server. They can be read without signing in.',
    resolve: (_root, _args, { deps }) => deps.serverInfo,
  }),
);
