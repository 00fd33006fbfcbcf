import { APIError } from 'better-auth/api';
import type { Database } from '../db/database.ts';
import { logScope } from '../log.ts';
import { MAX_EMAIL_LENGTH, validateAccountInput } from './account-input.ts';
import type { AttemptLimits, PasswordAttempt } from './attempt-limits.ts';
import { accountScope } from './password-hash.ts';
import { findAttempted } from './sign-in-address.ts';

/** A request to an account. */
export interface AccountRequest {
  /** Path of the endpoint as better-auth normalised it. */
  path: string;
  body: Readonly<Record<string, unknown>>;
  headers: Headers | undefined;
}

export interface AccountRulesDeps {
  db: Database;
  limits?: AttemptLimits | undefined;
  /** Whether this server sends mail. */
  sendsMail: boolean;
  /** Id of the user whose session is in the headers; null without one. */
  userIdOf(headers: Headers): Promise<string | null>;
}

/**
 * Checks a request before better-auth's endpoint runs: the endpoint is one of ENDPOINTS, no rate limit is reached and its
 * fields can be stored. Throws an APIError.
 */
export async function requireAllowed(deps: AccountRulesDeps, request: AccountRequest): Promise<void> {
  if (!ENDPOINTS.has(request.path)) throw new APIError('NOT_FOUND');
  const noMail = WITHOUT_MAIL[request.path];
  if (noMail !== undefined && !deps.sendsMail)
    throw new APIError('BAD_REQUEST', { code: 'MAIL_NOT_SET_UP', message: noMail });
  const retryAt = await countAttempt(deps, request);
  if (retryAt !== null) throw tooMany(retryAt);
  const fault = validateAccountInput(request.path, request.body);
  if (fault !== null) throw new APIError('BAD_REQUEST', { code: 'BAD_INPUT', message: fault });
}

/** Takes back the count of a password that was right. */
export async function giveBackAttempt({ limits }: Pick<AccountRulesDeps, 'limits'>): Promise<void> {
  const attempt = accountScope.getStore()?.attempt;
  if (attempt !== undefined) await limits?.giveBackPassword(attempt);
}

async function countAttempt(deps: AccountRulesDeps, request: AccountRequest): Promise<Date | null> {
  const { path, headers } = request;
  const address = headers?.get(ADDRESS_HEADER);
  if (deps.limits === undefined || address == null) return null;
  if (path === '/sign-up/email') return await deps.limits.takeSignUp(address);
  if (!WITH_PASSWORD.has(path) && !WITH_MAIL.has(path)) return null;
  const attempt = await attemptOf(deps, request, address);
  const retryAt = WITH_MAIL.has(path) ? await deps.limits.takeMail(attempt) : null;
  if (retryAt !== null || !WITH_PASSWORD.has(path)) return retryAt;
  const scope = accountScope.getStore();
  if (scope !== undefined) scope.attempt = attempt;
  return await deps.limits.takePassword(attempt);
}

async function attemptOf(
  deps: AccountRulesDeps,
  { path, body, headers }: AccountRequest,
  address: string,
): Promise<PasswordAttempt> {
  if (path === '/sign-in/email' || path === '/request-password-reset') {
    const email = String(body.email).trim().toLowerCase().slice(0, MAX_EMAIL_LENGTH);
    const found = email.includes('\0') ? null : await findAttempted(deps, { email }, address);
    nameInLog(found?.userId);
    return { account: found?.userId ?? email, address, isKnownAddress: found?.isKnownAddress === true };
  }
  const userId = headers === undefined ? null : await deps.userIdOf(headers);
  if (userId === null) return { account: null, address, isKnownAddress: false };
  const found = await findAttempted(deps, { userId }, address);
  nameInLog(userId);
  return { account: userId, address, isKnownAddress: found?.isKnownAddress === true };
}

function nameInLog(userId: string | undefined): void {
  const scope = logScope.getStore();
  if (scope !== undefined && userId !== undefined) scope.userId = userId;
}

function tooMany(retryAt: Date): APIError {
  const seconds = Math.max(1, Math.ceil((retryAt.getTime() - Date.now()) / 1_000));
  return new APIError(
    'TOO_MANY_REQUESTS',
    { code: 'RATE_LIMITED', message: 'Too many tries. Wait a little, then try again.' },
    { 'retry-after': String(seconds) },
  );
}

/** Header with the network address of a request. The caller of the endpoints sets it or removes the client's own. */
export const ADDRESS_HEADER = 'x-latchkey-address';

/** Endpoints whose response reveals whether a password is right. */
const WITH_PASSWORD = new Set(['/sign-in/email', '/change-password', '/change-email', '/delete-user']);

/** Endpoints that send a mail, with the sentence for a server that sends none. */
const WITHOUT_MAIL: Readonly<Record<string, string | undefined>> = {
  '/request-password-reset':
    'This server sends no mail. Ask its operator for a link that sets a new password; they make one with: latchkey user reset-password EMAIL',
  '/change-email':
    'This server sends no mail, so another address cannot be confirmed. Ask its operator to set LATCHKEY_SMTP_URL.',
};
const WITH_MAIL = new Set(Object.keys(WITHOUT_MAIL));

/** Those endpoints of better-auth that are needed here. */
export const ENDPOINTS: ReadonlySet<string> = new Set([
  ...WITH_PASSWORD,
  ...WITH_MAIL,
  '/verify-email',
  '/sign-up/email',
  '/sign-out',
  '/get-session',
  '/list-sessions',
  '/revoke-session',
  '/revoke-sessions',
  '/revoke-other-sessions',
  '/update-user',
  '/reset-password',
  '/ok',
]);
