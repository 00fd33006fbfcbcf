import { eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { idsOf, prefixOf } from '../db/id.ts';
import { teams } from '../db/tables/team.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import type { Action } from './membership.ts';
import { type Owner, type OwnerInput, requireOwner } from './owner.ts';
import { requireTeam, type Team } from './team.ts';
import { requireWorkspace, type Workspace } from './workspace.ts';

/**
 * The workspace or team that an input names, as `requireOwner` gives it, and held until the transaction ends: nobody else
 * changes its members, its name or its owner meanwhile. The viewer's role is read once it is held, so of two people who
 * take each other's role away at once the second one has none any more.
 */
export function holdOwner(
  tx: Transaction,
  viewer: Viewer,
  input: OwnerInput,
  action: Action,
): Promise<Owner> {
  return hold(tx, () => requireOwner({ db: tx }, viewer, input, action));
}

/** The workspace as `requireWorkspace` gives it, held like an owner. */
export function holdWorkspace(
  tx: Transaction,
  viewer: Viewer,
  workspaceId: string,
  action: Action,
): Promise<Workspace> {
  return hold(tx, () => requireWorkspace({ db: tx }, viewer, workspaceId, action));
}

/** The team as `requireTeam` gives it, held like an owner. */
export function holdTeam(tx: Transaction, viewer: Viewer, teamId: string, action: Action): Promise<Team> {
  return hold(tx, () => requireTeam({ db: tx }, viewer, teamId, action));
}

async function hold<Held extends Owner>(tx: Transaction, require: () => Promise<Held>): Promise<Held> {
  // Strangers are sent away before they could make anybody wait.
  const { id } = await require();
  await lockOwner(tx, id);
  return await require();
}

/**
 * Locks an owner's row until the transaction ends. A team's row comes before those of its workspaces, whose members rest on
 * the team's; then come the rows of users, and audit logs last. Everybody who keeps to this order waits, and nobody deadlocks.
 */
export async function lockOwner(tx: Transaction, ownerId: string): Promise<void> {
  if (prefixOf(ownerId) === 'tem') {
    await lockTeamRow(tx, ownerId);
    return;
  }
  const isIt = inArray(workspaces.id, idsOf('wsp', [ownerId]));
  // It never moves to another team, so this can be read before the lock.
  const [workspace] = await tx.select({ teamId: workspaces.teamId }).from(workspaces).where(isIt);
  if (workspace?.teamId != null) await lockTeamRow(tx, workspace.teamId);
  await tx.select({ id: workspaces.id }).from(workspaces).where(isIt).for('update');
}

/**
 * Keeps the owner of keys from being removed until the transaction ends, and stands in nobody else's way. Taken before the
 * row of a key: who removes the owner goes from there to its keys, and must not be met half-way. Throws NotFoundError if the
 * owner is gone.
 */
export async function lockTenantForKeyShare(tx: Pick<Database, 'select'>, ownerId: string): Promise<void> {
  const table = prefixOf(ownerId) === 'tem' ? teams : workspaces;
  const [row] = await tx.select({ id: table.id }).from(table).where(eq(table.id, ownerId)).for('key share');
  if (row === undefined) throw new NotFoundError('API key');
}

async function lockTeamRow(tx: Transaction, teamId: string): Promise<void> {
  await tx.select({ id: teams.id }).from(teams).where(eq(teams.id, teamId)).for('update');
}
