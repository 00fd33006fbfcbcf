import { and, desc, eq, exists, lt, notInArray, or, type SQL } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { signInAddresses, users } from '../db/tables/user.ts';
import { networkOf } from '../networks.ts';

/** The account that a password is tried for, and whether this address has signed in to it before. */
export async function findAttempted(
  { db }: { db: Database },
  account: { email: string } | { userId: string },
  address: string,
): Promise<{ userId: string; isKnownAddress: boolean } | null> {
  const isAccount = 'email' in account ? eq(users.email, account.email) : eq(users.id, account.userId);
  const [found] = await db
    .select({ userId: users.id, isKnownAddress: exists(knownAddress(db, address)).mapWith(Boolean) })
    .from(users)
    .where(isAccount);
  return found ?? null;
}

function knownAddress(db: Database, address: string) {
  return db
    .select({ userId: signInAddresses.userId })
    .from(signInAddresses)
    .where(and(eq(signInAddresses.userId, users.id), eq(signInAddresses.network, networkOf(address))));
}

/** Records that an account was signed in to from this address. Keeps the newest 50 of the last 90 days. */
export async function rememberAddress(
  { db }: { db: Database },
  userId: string,
  address: string,
): Promise<void> {
  const network = networkOf(address);
  const seenAt = new Date();
  const { userId: owner, network: place } = signInAddresses;
  await db
    .insert(signInAddresses)
    .values({ userId, network, seenAt })
    .onConflictDoUpdate({ target: [owner, place], set: { seenAt } });
  const newest = db
    .select({ network: place })
    .from(signInAddresses)
    .where(eq(owner, userId))
    .orderBy(desc(signInAddresses.seenAt))
    .limit(MAX_ADDRESSES);
  const isOld: SQL = lt(signInAddresses.seenAt, new Date(seenAt.getTime() - KEPT_MS));
  await db.delete(signInAddresses).where(and(eq(owner, userId), or(isOld, notInArray(place, newest))));
}

const MAX_ADDRESSES = 50;
const KEPT_MS = 90 * 24 * 60 * 60 * 1_000;
