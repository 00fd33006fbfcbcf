import { randomBytes } from 'node:crypto';
import { and, eq, gt, inArray, type SQL, sql } from 'drizzle-orm';
import { saveLink } from '../accounts/one-time-link.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { lockTenantsOfUserForUpdate, lockUserForUpdate } from '../db/lock-order.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { sessions, users } from '../db/tables/user.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { findBelongings } from './delete-account.ts';
import type { PeopleDeps } from './member.ts';

/** A person's account, by id or email. */
export interface AccountInput {
  userId?: string | null | undefined;
  email?: string | null | undefined;
}

/** An account as the operator sees it. */
export interface Account {
  userId: string;
  email: string;
  name: string;
  createdAt: Date;
  /** Time since which its person cannot sign in; null if they can. */
  disabledAt: Date | null;
  openSessionCount: number;
}

/** An account and how many of its sessions were ended. */
export interface EndedSessions {
  account: Account;
  endedSessionCount: number;
}

/**
 * Disables an account or enables it again. A disabled person's sessions end with their sockets and streams, their answers
 * stop, and they cannot sign in; nothing of theirs is deleted. The caller authorises the operator. Throws
 * InvalidInputError or NotFoundError.
 */
export async function setAccountDisabled(
  deps: PeopleDeps,
  input: AccountInput,
  isDisabled: boolean,
): Promise<EndedSessions> {
  const { userId: id } = await findAccount(deps.db, input);
  return await changeAccount(deps, id, async (tx) => {
    await lockTenantsOfUserForUpdate(tx, id);
    const { personal, memberships } = await findBelongings(tx, id);
    await lockUserForUpdate(tx, id);
    const { disabledAt } = await findAccount(tx, { userId: id });
    if (isDisabled === (disabledAt !== null)) return [];
    await tx
      .update(users)
      .set({ disabledAt: isDisabled ? new Date() : null })
      .where(eq(users.id, id));
    const action = isDisabled ? 'MEMBER_DISABLED' : 'MEMBER_ENABLED';
    for (const { tenantId } of [...personal, ...memberships])
      await recordAudit(tx, deps, tenantId, { action, actorId: null, subjectId: id, details: {} });
    return isDisabled ? await deleteSessions(tx, id) : [];
  });
}

/** Ends all sessions of an account. Throws InvalidInputError or NotFoundError. */
export async function signOutAccount(deps: PeopleDeps, input: AccountInput): Promise<EndedSessions> {
  const { userId: id } = await findAccount(deps.db, input);
  return await changeAccount(deps, id, async (tx) => {
    await lockUserForUpdate(tx, id);
    return await deleteSessions(tx, id);
  });
}

/**
 * Makes the token with which the person sets a new password once, within an hour; all their sessions end then. Throws
 * InvalidInputError or NotFoundError.
 */
export async function createPasswordReset(
  { db }: { db: Database },
  input: AccountInput,
): Promise<{ account: Account; token: string; expiresAt: Date }> {
  const account = await findAccount(db, input);
  const token = randomBytes(24).toString('base64url');
  const expiresAt = await saveLink({ db }, { purpose: 'reset-password', token, userId: account.userId });
  return { account, token, expiresAt };
}

/** All accounts, oldest first. The caller authorises the operator. */
export async function listAccounts(
  { db }: { db: Pick<Database, 'select'> },
  page: PageInput,
): Promise<Page<Account>> {
  return await readPage<Account>(page, {
    column: users.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: ({ userId }) => userId,
    read: (conditions, orderBy, limit) => selectAccounts(db, conditions).orderBy(orderBy).limit(limit),
  });
}

function selectAccounts(db: Pick<Database, 'select'>, conditions: SQL[]) {
  const isOpen = gt(sessions.expiresAt, new Date());
  return db
    .select({
      userId: users.id,
      email: users.email,
      name: users.name,
      createdAt: users.createdAt,
      disabledAt: users.disabledAt,
      openSessionCount: sql<number>`count(${sessions.id}) filter (where ${isOpen})`.mapWith(Number),
    })
    .from(users)
    .leftJoin(sessions, eq(sessions.userId, users.id))
    .where(and(...conditions))
    .groupBy(users.id);
}

/** Runs `change` in a transaction, and announces the sessions that it ended and returned after the commit. */
async function changeAccount(
  { db, changes }: PeopleDeps,
  id: string,
  change: (tx: Transaction) => Promise<{ id: string }[]>,
): Promise<EndedSessions> {
  const { account, ended } = await db.transaction(async (tx) => {
    const ended = await change(tx);
    return { account: await findAccount(tx, { userId: id }), ended };
  });
  for (const session of ended) changes.announce(session.id, [session.id]);
  return { account, endedSessionCount: ended.length };
}

async function deleteSessions(tx: Transaction, userId: string): Promise<{ id: string }[]> {
  return await tx.delete(sessions).where(eq(sessions.userId, userId)).returning({ id: sessions.id });
}

async function findAccount(db: Pick<Database, 'select'>, { userId, email }: AccountInput): Promise<Account> {
  if ((userId == null) === (email == null))
    throw new InvalidInputError('userId', 'Give one of `userId` and `email`.');
  const [account] = await selectAccounts(db, [
    userId != null
      ? inArray(users.id, idsOf('usr', [userId]))
      : eq(users.email, (email ?? '').replaceAll('\0', '').trim().toLowerCase()),
  ]);
  if (account === undefined) throw new NotFoundError('user');
  return account;
}
