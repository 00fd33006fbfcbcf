import { createHash, randomBytes } from 'node:crypto';
import { asc, eq, gt, inArray, sql } from 'drizzle-orm';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { idsOf, newId } from '../db/id.ts';
import { sessions, users, verifications } from '../db/tables/user.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { holdBelongings } from './account-belongings.ts';
import type { PeopleDeps } from './announce-members.ts';

/** A person's account, by one of the two. */
export interface AccountInput {
  userId?: string | null | undefined;
  email?: string | null | undefined;
}

/** An account as the operator sees it. */
export interface ControlledAccount {
  userId: string;
  email: string;
  isDisabled: boolean;
  /** How many sessions were ended. */
  endedSessions: number;
}

/**
 * Disables an account or enables it again. A disabled person's sessions end with their sockets and streams, their answers
 * stop, and they cannot sign in; nothing of theirs is deleted. The caller makes sure that the operator asks for it. Throws
 * InvalidInputError or NotFoundError.
 */
export async function setAccountDisabled(
  deps: PeopleDeps,
  input: AccountInput,
  isDisabled: boolean,
): Promise<ControlledAccount> {
  const { id } = await findAccount(deps.db, input);
  return await endSessions(deps, id, async (tx) => {
    const { personal, memberships } = await holdBelongings(tx, id);
    const { disabledAt } = await lockAccount(tx, id);
    if (isDisabled === (disabledAt !== null)) return;
    await tx
      .update(users)
      .set({ disabledAt: isDisabled ? new Date() : null })
      .where(eq(users.id, id));
    const action = isDisabled ? 'MEMBER_DISABLED' : 'MEMBER_ENABLED';
    for (const { ownerId } of [...personal, ...memberships])
      await recordAudit(tx, deps, ownerId, { action, actorId: null, subjectId: id, details: {} });
  });
}

/** Ends all sessions of an account. Throws InvalidInputError or NotFoundError. */
export async function signOutAccount(deps: PeopleDeps, input: AccountInput): Promise<ControlledAccount> {
  const { id } = await findAccount(deps.db, input);
  return await endSessions(deps, id, async (tx) => {
    await lockAccount(tx, id);
  });
}

/**
 * Makes the token with which the person sets a new password once, within an hour; all their sessions end then. Throws
 * InvalidInputError or NotFoundError.
 */
export async function createPasswordReset(
  { db }: { db: Database },
  input: AccountInput,
): Promise<{ userId: string; email: string; token: string; expiresAt: Date }> {
  const { id, email } = await findAccount(db, input);
  const token = randomBytes(24).toString('base64url');
  // As better-auth looks for it, so that a copy of the database resets nothing.
  const identifier = createHash('sha256').update(`reset-password:${token}`).digest('base64url');
  const expiresAt = new Date(Date.now() + RESET_WITHIN_MS);
  await db.insert(verifications).values({ id: newId('ver'), identifier, value: id, expiresAt });
  return { userId: id, email, token, expiresAt };
}

/** All accounts, oldest first, with how many sessions are open. */
export async function listAccounts({ db }: { db: Database }) {
  return await db
    .select({
      userId: users.id,
      email: users.email,
      name: users.name,
      createdAt: users.createdAt,
      disabledAt: users.disabledAt,
      openSessions:
        sql<number>`count(${sessions.id}) filter (where ${gt(sessions.expiresAt, new Date())})`.mapWith(
          Number,
        ),
    })
    .from(users)
    .leftJoin(sessions, eq(sessions.userId, users.id))
    .groupBy(users.id)
    .orderBy(asc(users.id));
}

/** The sessions end with whatever is done, in one transaction; followers hear of it after the commit. */
async function endSessions(
  { db, changes }: PeopleDeps,
  id: string,
  change: (tx: Transaction) => Promise<void>,
): Promise<ControlledAccount> {
  const done = await db.transaction(async (tx) => {
    await change(tx);
    const ended = await tx.delete(sessions).where(eq(sessions.userId, id)).returning({ id: sessions.id });
    return { ...(await findAccount(tx, { userId: id })), ended };
  });
  for (const session of done.ended) changes.announce(session.id, [session.id]);
  const { email, disabledAt, ended } = done;
  return { userId: id, email, isDisabled: disabledAt !== null, endedSessions: ended.length };
}

/** Until the transaction ends a session that begins waits, and then finds what became of the account. */
async function lockAccount(tx: Transaction, id: string): Promise<{ disabledAt: Date | null }> {
  const [account] = await tx
    .select({ disabledAt: users.disabledAt })
    .from(users)
    .where(eq(users.id, id))
    .for('update');
  if (account === undefined) throw new NotFoundError('user');
  return account;
}

async function findAccount(db: Pick<Database, 'select'>, { userId, email }: AccountInput) {
  if ((userId == null) === (email == null))
    throw new InvalidInputError([{ path: 'userId', message: 'Give one of `userId` and `email`.' }]);
  const [account] = await db
    .select({ id: users.id, email: users.email, disabledAt: users.disabledAt })
    .from(users)
    .where(
      userId != null
        ? inArray(users.id, idsOf('usr', [userId]))
        : eq(users.email, (email ?? '').replaceAll('\0', '').trim().toLowerCase()),
    );
  if (account === undefined) throw new NotFoundError('user');
  return account;
}

const RESET_WITHIN_MS = 60 * 60 * 1_000;
