import { and, eq } from 'drizzle-orm';
import type { Transaction } from '../audit/record-audit.ts';
import { lockUserForNoKeyUpdate } from '../db/lock-order.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';

/** Throws ConflictError if a person owns the maximum of shared workspaces. `who` begins the sentence: "You own". */
export async function requireRoomForWorkspace(tx: Transaction, userId: string, who: string): Promise<void> {
  // Without the lock two transactions could count at once, and both would insert.
  await lockUserForNoKeyUpdate(tx, userId);
  const owned = and(eq(workspaces.ownerUserId, userId), eq(workspaces.kind, 'SHARED'));
  if ((await tx.$count(workspaces, owned)) >= MAX_WORKSPACES)
    throw new ConflictError(`${who} ${MAX_WORKSPACES} workspaces, which is the most. Delete one first.`);
}

/** Throws ConflictError if a team owns the maximum of workspaces. The caller has locked its row. */
export async function requireRoomInTeam(tx: Transaction, teamId: string): Promise<void> {
  if ((await tx.$count(workspaces, eq(workspaces.teamId, teamId))) >= MAX_WORKSPACES)
    throw new ConflictError(
      `This team has ${MAX_WORKSPACES} workspaces, which is the most. Delete one first.`,
    );
}

/** Throws ConflictError if a person owns the maximum of teams. `who` begins the sentence: "You own". */
export async function requireRoomForTeam(tx: Transaction, userId: string, who: string): Promise<void> {
  // Without the lock two transactions could count at once, and both would insert.
  await lockUserForNoKeyUpdate(tx, userId);
  if ((await tx.$count(teams, eq(teams.ownerUserId, userId))) >= MAX_TEAMS)
    throw new ConflictError(`${who} ${MAX_TEAMS} teams, which is the most. Delete one first.`);
}

const MAX_WORKSPACES = 100; // a list of all workspaces then fits one page
const MAX_TEAMS = 20;
