import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { APIError, createAuthMiddleware } from 'better-auth/api';
import { betterAuth } from 'better-auth/minimal';
import { bearer } from 'better-auth/plugins/bearer';
import { and, eq, gt, inArray, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf, newId, type TablePrefix } from '../db/id.ts';
import { prepared } from '../db/prepared.ts';
import { accounts, sessions, users, verifications } from '../db/tables/user.ts';
import { ConflictError } from '../errors.ts';
import type { Mailer } from '../mail.ts';
import { emailChangeMail, emailChangeNotice, passwordResetMail } from './account-mails.ts';
import { ADDRESS_HEADER, giveBackAttempt, requireAllowed } from './account-rules.ts';
import type { AttemptLimits } from './attempt-limits.ts';
import { requireEmailLink, requireFreeEmail, requirePassword } from './change-email.ts';
import { dropLinks, LINK_SECONDS, linkUrl, saveLink } from './one-time-link.ts';
import { accountScope, MAX_PASSWORD_LENGTH, PasswordHashes } from './password-hash.ts';
import { rememberAddress } from './sign-in-address.ts';
import { hasAnyUser, isDisabled } from './user.ts';

/** Who may sign up: `open` every visitor; `invited` the first person, then holders of an invitation; `closed` no one. */
export type SignUp = 'open' | 'invited' | 'closed';

export type Sessions = ReturnType<typeof createSessions>;

/** The person who is signed in. */
export interface Viewer {
  id: string;
  /** Id of the session that the request used. */
  sessionId: string;
  name: string;
  email: string;
  /** Network address the request came from. */
  address: string;
}

/**
 * Accounts by email and password, with sessions as a cookie or a signed bearer token. better-auth does the work. It is set to
 * accept only signed tokens, to cache no session in a cookie (it would outlive signing out) and to log nothing, since it
 * would print whole database errors. Unless it may throw them it prints them even without its logger, so callers of `handler`
 * catch what it throws.
 */
export function createSessions(options: {
  db: Database;
  /** Signs session tokens. */
  secret: string;
  /** Where browsers reach this server, e.g. `https://chat.example.com`. */
  publicUrl: string;
  /** Further origins whose pages may sign in. */
  allowedOrigins: readonly string[];
  signUp: SignUp;
  /** Password hashing; tests pass a cheaper one. */
  hashes?: PasswordHashes;
  /** Rate limits for requests that carry an address; without it there are none. */
  limits?: AttemptLimits;
  /** Without it no password can be reset by mail and no email can be changed. */
  mailer?: Mailer | null;
  /** Whether this token is that of an open invitation. Without it only the first person can sign up by invitation. */
  isInvited?: (token: string) => Promise<boolean>;
  /** Called after a session was ended by its user in any way other than by deleting the account. */
  onSessionEnd?: (sessionId: string) => void;
  /**
   * Deletes an account whose password was given, with its rows and sessions, in one transaction. Throws ConflictError if it
   * cannot be deleted. Without it no account can be deleted.
   */
  removeAccount?: (userId: string) => Promise<void>;
}) {
  const { hashes = new PasswordHashes(), mailer = null, publicUrl } = options;
  const rules = {
    ...options,
    sendsMail: mailer !== null,
    userIdOf: async (headers: Headers) => (await sessionOf(headers))?.user.id ?? null,
  };
  const auth = betterAuth({
    baseURL: publicUrl,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [...options.allowedOrigins],
    telemetry: { enabled: false },
    logger: { disabled: true },
    onAPIError: { throw: true },
    rateLimit: { enabled: false }, // it counts by headers that any client can set
    database: drizzleAdapter(options.db, {
      provider: 'pg',
      transaction: true,
      schema: { user: users, session: sessions, account: accounts, verification: verifications },
    }),
    session: { expiresIn: SESSION_SECONDS, updateAge: RENEWED_AFTER_SECONDS, freshAge: 0 },
    verification: { storeIdentifier: 'hashed' },
    advanced: {
      database: { generateId: ({ model }) => newId(PREFIX[model] ?? 'ver') },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      disableOriginCheck: false, // by default that depends on NODE_ENV and TEST
    },
    databaseHooks: {
      session: {
        create: {
          after: async ({ id, userId }, context) => {
            if (await isDisabled(options, userId)) {
              await options.db.delete(sessions).where(eq(sessions.id, id));
              throw new APIError('FORBIDDEN', DISABLED);
            }
            const address = context?.headers?.get(ADDRESS_HEADER);
            if (address != null) await rememberAddress(options, userId, address);
          },
        },
        delete: { after: async ({ id }) => options.onSessionEnd?.(id) },
      },
      user: {
        update: {
          before: async ({ email }) => {
            if (email !== undefined) await requireFreeEmail(options, email);
          },
        },
      },
    },
    emailAndPassword: {
      enabled: true,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: LINK_SECONDS,
      onPasswordReset: ({ user }) => dropLinks(options, user.id),
      ...(mailer !== null && {
        sendResetPassword: async ({ user, token }) =>
          mailer.send(passwordResetMail(user.email, linkUrl(publicUrl, 'reset-password', token))),
      }),
      password: {
        hash: (password) => hashes.hash(password),
        verify: (attempt) => hashes.verify(attempt),
      },
    },
    ...(mailer !== null && {
      emailVerification: {
        expiresIn: LINK_SECONDS,
        sendOnSignUp: false,
        /** Called only for an address that will replace another one. */
        sendVerificationEmail: async ({ user, token }) => {
          await saveLink(options, { purpose: 'change-email', token, userId: user.id });
          mailer.send(emailChangeMail(user.email, linkUrl(publicUrl, 'change-email', token)));
        },
      },
    }),
    user: {
      changeEmail: { enabled: mailer !== null },
      deleteUser: {
        enabled: options.removeAccount !== undefined,
        // better-auth then deletes the rows one by one and finds them gone. If it deleted them itself, a crash in between
        // would leave an address without a password, which could not be used, deleted or signed up with again.
        beforeDelete: async ({ id }) => await options.removeAccount?.(id).catch(refuse),
      },
    },
    plugins: [bearer({ requireSignature: true })],
    hooks: {
      before: createAuthMiddleware(async (context) => {
        const { path, headers } = context;
        const body: Record<string, unknown> = context.body ?? {};
        await requireAllowed(rules, { path, body, headers });
        if (path === '/revoke-session' && typeof body.id === 'string')
          return { context: { body: { token: await tokenOf(body.id) } } };
        if (path === '/change-email') await requirePassword(rules, hashes, headers, body.password);
        if (path === '/verify-email') await requireEmailLink(options, context.query?.token);
        if (path !== '/sign-up/email') return undefined;
        await requireSignUp(body);
        // better-auth would hash it while it holds a database connection, and fifty sign-ups would wait for ten connections.
        if (typeof body.password === 'string' && body.password.length <= MAX_PASSWORD_LENGTH)
          await hashes.prepare(body.password);
        return undefined;
      }),
      after: createAuthMiddleware(async ({ path, context, json }) => {
        if (context.returned instanceof Error) return undefined;
        await giveBackAttempt(rules);
        const person = context.session?.user;
        if (path === '/change-password' && person !== undefined) await dropLinks(options, person.id);
        if (path === '/change-email' && person !== undefined)
          mailer?.send(emailChangeNotice(person.email, publicUrl));
        if (path !== '/list-sessions' || !Array.isArray(context.returned)) return undefined;
        return json(context.returned.map((session) => describe(session, context.session?.session.id)));
      }),
    },
  });

  async function sessionOf(headers: Headers): Promise<OpenSession | null> {
    try {
      return await auth.api.getSession({ headers });
    } catch (error) {
      // The database error shows callers whether it is away, busy or broken; the APIError around it has only a status.
      throw error instanceof APIError && error.cause !== undefined ? error.cause : error;
    }
  }

  /** The token of a session: better-auth ends a session by its token, and only one of the viewer. */
  async function tokenOf(sessionId: string): Promise<string> {
    const [session] = await options.db
      .select({ token: sessions.token })
      .from(sessions)
      .where(inArray(sessions.id, idsOf('ses', [sessionId])));
    return session?.token ?? 'none';
  }

  async function requireSignUp(body: { invitationToken?: unknown }): Promise<void> {
    const { signUp } = options;
    if (signUp === 'open' || (signUp === 'invited' && (await isInvitedOrFirst(body)))) return;
    throw new APIError('FORBIDDEN', { code: 'SIGN_UP_CLOSED', message: CLOSED[signUp] });
  }

  /** The token stays valid: the new user accepts the invitation with it afterwards. */
  async function isInvitedOrFirst({ invitationToken }: { invitationToken?: unknown }): Promise<boolean> {
    if (typeof invitationToken === 'string' && (await options.isInvited?.(invitationToken))) return true;
    return !(await hasAnyUser(options));
  }

  return {
    /** Answers `/api/auth/*`. Rejects with the raw error of a failure. */
    handler: (request: Request): Promise<Response> => accountScope.run({}, () => auth.handler(request)),

    /** The viewer whose cookie or bearer token is in the headers; null without a valid session. */
    async viewerOf(headers: Headers, address: string): Promise<Viewer | null> {
      const session = await sessionOf(headers);
      if (session === null) return null;
      const { id, name, email } = session.user;
      return { id, sessionId: session.session.id, name, email, address };
    },

    /**
     * The viewer with their current name and email, while the session is open and not due to be renewed. Null means only that
     * `viewerOf` has to decide. It is much cheaper than `viewerOf`: sockets call it before every operation.
     */
    async findAgain(viewer: Viewer): Promise<Viewer | null> {
      const restSeconds = SESSION_SECONDS - RENEWED_AFTER_SECONDS;
      const [person] = await personOfSession(options.db).execute({
        sessionId: viewer.sessionId,
        restsUntil: new Date(Date.now() + restSeconds * 1_000),
      });
      return person === undefined ? null : { ...viewer, ...person };
    },
  };
}

const personOfSession = prepared((db) =>
  db
    .select({ id: users.id, name: users.name, email: users.email })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(sessions.id, sql.placeholder('sessionId')),
        gt(sessions.expiresAt, sql.placeholder('restsUntil')),
      ),
    )
    .prepare('person_of_session'),
);

/** A session as its user may see it: without the token, with which a script could act as another session. */
function describe(session: Record<string, unknown>, currentId: string | undefined) {
  const { id, createdAt, expiresAt, ipAddress, userAgent } = session;
  return { id, createdAt, expiresAt, ipAddress, userAgent, isCurrent: id === currentId };
}

/** The parts of better-auth's session that are used here. */
interface OpenSession {
  session: { id: string };
  user: { id: string; name: string; email: string };
}

/** Shown only after the right password was given. */
const DISABLED = {
  code: 'ACCOUNT_DISABLED',
  message: 'This account is disabled. Ask the operator of this server.',
};

const CLOSED = {
  invited:
    'Sign-up on this server needs an invitation that is still good. Ask the person who invited you for another one.',
  closed: 'Sign-up is closed on this server. Ask its operator for an account.',
} as const satisfies Record<Exclude<SignUp, 'open'>, string>;

function refuse(error: unknown): never {
  if (error instanceof ConflictError)
    throw new APIError('CONFLICT', { code: error.code, message: error.message });
  throw error;
}

const PREFIX: Record<string, TablePrefix> = { user: 'usr', session: 'ses', account: 'acc' };

const SESSION_SECONDS = 7 * 24 * 60 * 60;
const RENEWED_AFTER_SECONDS = 24 * 60 * 60; // a write a day, and a session in use never ends
