import { and, eq, inArray, or, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
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

/** Those with these ids whom the viewer may look up: themselves, and people in a workspace or team that the viewer is in. */
export async function findFellows(
  { db }: { db: Database },
  viewer: { id: string },
  ids: readonly string[],
): Promise<User[]> {
  const isMe = eq(users.id, viewer.id);
  const isInWorkspace = sql`exists (select from workspace_members as mine join workspace_members as theirs
    on theirs.workspace_id = mine.workspace_id where mine.user_id = ${viewer.id} and theirs.user_id = ${users.id})`;
  const isInTeam = sql`exists (select from team_members as mine join team_members as theirs
    on theirs.team_id = mine.team_id where mine.user_id = ${viewer.id} and theirs.user_id = ${users.id})`;
  return await db
    .select({ id: users.id, name: users.name })
    .from(users)
    .where(and(inArray(users.id, idsOf('usr', ids)), or(isMe, isInWorkspace, isInTeam)));
}

export async function hasAnyUser({ db }: { db: Database }): Promise<boolean> {
  return (await db.select({ id: users.id }).from(users).limit(1)).length > 0;
}

export async function isDisabled({ db }: { db: Database }, userId: string): Promise<boolean> {
  const [user] = await db.select({ disabledAt: users.disabledAt }).from(users).where(eq(users.id, userId));
  return user !== undefined && user.disabledAt !== null;
}
