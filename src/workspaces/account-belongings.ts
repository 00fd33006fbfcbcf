import { and, asc, eq, exists, or } from 'drizzle-orm';
import type { Transaction } from '../audit/record-audit.ts';
import { teamMemberships, teams } from '../db/tables/team.ts';
import { memberships, workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';
import type { Role } from './membership.ts';

/** Where an account has rows of its own. */
export interface Belongings {
  /** The personal workspace; empty if nobody has looked at it yet. */
  personal: { tenantId: string; name: string }[];
  /** The workspaces and teams that the person was let into: workspaces by id and then teams by id, as logs are taken. */
  memberships: { tenantId: string; role: Exclude<Role, 'OWNER'> }[];
}

/** What an account has, held until the transaction ends: nobody changes its members meanwhile or hands it to this person. */
export async function holdBelongings(tx: Transaction, userId: string): Promise<Belongings> {
  const inTeam = tx
    .select()
    .from(teamMemberships)
    .where(and(eq(teamMemberships.teamId, teams.id), eq(teamMemberships.userId, userId)));
  const inWorkspace = tx
    .select()
    .from(memberships)
    .where(and(eq(memberships.workspaceId, workspaces.id), eq(memberships.userId, userId)));
  await tx.select({ id: teams.id }).from(teams).where(exists(inTeam)).orderBy(asc(teams.id)).for('update');
  await tx
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(or(eq(workspaces.ownerUserId, userId), exists(inWorkspace)))
    .orderBy(asc(workspaces.id))
    .for('update');
  return await findBelongings(tx, userId);
}

async function findBelongings(tx: Transaction, userId: string): Promise<Belongings> {
  const personal = await tx
    .select({ tenantId: workspaces.id, name: workspaces.name })
    .from(workspaces)
    .where(and(eq(workspaces.ownerUserId, userId), eq(workspaces.kind, 'PERSONAL')));
  const ofWorkspaces = await tx
    .select({ tenantId: memberships.workspaceId, role: memberships.role })
    .from(memberships)
    .where(eq(memberships.userId, userId))
    .orderBy(asc(memberships.workspaceId));
  const ofTeams = await tx
    .select({ tenantId: teamMemberships.teamId, role: teamMemberships.role })
    .from(teamMemberships)
    .where(eq(teamMemberships.userId, userId))
    .orderBy(asc(teamMemberships.teamId));
  return { personal, memberships: [...ofWorkspaces, ...ofTeams] };
}

/** Throws ConflictError if others would lose what this person owns. */
export async function refuseOwnerOfShared(tx: Transaction, userId: string): Promise<void> {
  const isShared = and(eq(workspaces.ownerUserId, userId), eq(workspaces.kind, 'SHARED'));
  const owned = [
    counted(await tx.$count(workspaces, isShared), 'shared workspace'),
    counted(await tx.$count(teams, eq(teams.ownerUserId, userId)), 'team'),
  ].filter((words) => words !== null);
  if (owned.length === 0) return;
  throw new ConflictError(
    `You own ${owned.join(' and ')}. Hand over or delete what you own, then delete the account.`,
  );
}

function counted(number: number, noun: string): string | null {
  if (number === 0) return null;
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
