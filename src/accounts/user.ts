import { eq, inArray } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { users } from '../db/tables/user.ts';

/** A person as others see them. */
export interface User {
  id: string;
  name: string;
}

/** The users with these ids. A viewer who can see the id of a user may see the name. */
export async function findUsers({ db }: { db: Database }, ids: readonly string[]): Promise<User[]> {
  return await db
    .select({ id: users.id, name: users.name })
    .from(users)
    .where(inArray(users.id, [...ids]));
}

export async function hasAnyUser({ db }: { db: Database }): Promise<boolean> {
  return (await db.select({ id: users.id }).from(users).limit(1)).length > 0;
}

export async function isDisabled({ db }: { db: Database }, userId: string): Promise<boolean> {
  const [user] = await db.select({ disabledAt: users.disabledAt }).from(users).where(eq(users.id, userId));
  return user !== undefined && user.disabledAt !== null;
}
