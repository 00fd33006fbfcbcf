import { betterAuth } from 'better-auth';
import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { APIError, createAuthMiddleware } from 'better-auth/api';
import { bearer } from 'better-auth/plugins/bearer';
import type { Database } from '../db/database.ts';
import { type IdPrefix, newId } from '../db/id.ts';
import { accounts, sessions, users, verifications } from '../db/tables/user.ts';
import { hasAnyUser } from './user.ts';

/** Who may sign up: anybody, only the first person (then by invitation), or nobody. */
export type SignUp = 'open' | 'invited' | 'closed';

export type Sessions = ReturnType<typeof createSessions>;

/** The person behind a session. */
export interface Viewer {
  id: string;
  name: string;
  email: string;
  /** Network address the request came from. */
  address: string;
}

/**
 * Accounts by email and password, with sessions as a cookie or a signed bearer token. better-auth does the work; it is told
 * to take only signed tokens, to keep no copy of a session in a cookie (a signed-out one would live on) and to log nothing,
 * since it would print whole database errors.
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
}) {
  const auth = betterAuth({
    baseURL: options.publicUrl,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [...options.allowedOrigins],
    telemetry: { enabled: false },
    logger: { disabled: true },
    rateLimit: { enabled: false },
    database: drizzleAdapter(options.db, {
      provider: 'pg',
      transaction: true,
      schema: { user: users, session: sessions, account: accounts, verification: verifications },
    }),
    advanced: { database: { generateId: ({ model }) => newId(PREFIX[model] ?? 'ver') } },
    emailAndPassword: { enabled: true },
    plugins: [bearer({ requireSignature: true })],
    hooks: {
      before: createAuthMiddleware(async (context) => {
        if (context.path !== '/sign-up/email' || options.signUp === 'open') return;
        if (options.signUp === 'invited' && !(await hasAnyUser(options))) return;
        throw new APIError('FORBIDDEN', {
          code: 'SIGN_UP_CLOSED',
          message: 'Sign-up is closed on this server. Ask its operator for an account.',
        });
      }),
    },
  });

  return {
    /** Answers `/api/auth/*`. */
    handler: (request: Request): Promise<Response> => auth.handler(request),

    /** The viewer whose cookie or bearer token is in the headers, null for nobody. */
    async viewerOf(headers: Headers, address: string): Promise<Viewer | null> {
      const session = await auth.api.getSession({ headers });
      if (session === null) return null;
      return { id: session.user.id, name: session.user.name, email: session.user.email, address };
    },
  };
}

const PREFIX: Record<string, IdPrefix> = { user: 'usr', session: 'ses', account: 'acc' };
