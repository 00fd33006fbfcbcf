import { APIError } from 'better-auth/api';
import { and, eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { accounts, users } from '../db/tables/user.ts';
import { takeLink } from './one-time-link.ts';
import { MAX_PASSWORD_LENGTH, type PasswordHashes } from './password-hash.ts';

/**
 * Checks the password before an email is changed: better-auth asks for none, so a person at an unlocked device could have a
 * password reset sent to themselves. Without a session the endpoint itself refuses. Throws an APIError.
 */
export async function requirePassword(
  deps: { db: Database; userIdOf(headers: Headers): Promise<string | null> },
  hashes: PasswordHashes,
  headers: Headers | undefined,
  password: unknown,
): Promise<void> {
  const userId = headers === undefined ? null : await deps.userIdOf(headers);
  if (userId === null) return;
  const [account] = await deps.db
    .select({ hash: accounts.password })
    .from(accounts)
    .where(and(eq(accounts.userId, userId), eq(accounts.providerId, 'credential')));
  const isValid =
    typeof password === 'string' &&
    password.length <= MAX_PASSWORD_LENGTH &&
    account?.hash != null &&
    (await hashes.verify({ hash: account.hash, password }));
  if (!isValid) throw new APIError('BAD_REQUEST', WRONG_PASSWORD);
}

/** Uses up the link: better-auth's own token can be used again for an hour and cannot be revoked. Throws an APIError. */
export async function requireEmailLink(deps: { db: Database }, token: unknown): Promise<void> {
  if (typeof token === 'string' && (await takeLink(deps, 'change-email', token))) return;
  throw new APIError('BAD_REQUEST', INVALID_LINK);
}

/** Another person may have signed up with the address since the link was sent to it. Throws an APIError. */
export async function requireFreeEmail({ db }: { db: Database }, email: string): Promise<void> {
  const [other] = await db.select({ id: users.id }).from(users).where(eq(users.email, email));
  if (other !== undefined) throw new APIError('CONFLICT', EMAIL_TAKEN);
}

/** The same code and text as better-auth's own. */
const WRONG_PASSWORD = { code: 'INVALID_PASSWORD', message: 'Invalid password' };

const INVALID_LINK = {
  code: 'INVALID_TOKEN',
  message: 'This link has been used, was taken back or has expired. Ask for another one.',
};

const EMAIL_TAKEN = {
  code: 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL',
  message: 'There is another account with this email address. Nothing was changed.',
};
