import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { prefixOf } from '../db/id.ts';
import { InvalidInputError } from '../errors.ts';
import type { Action } from './membership.ts';
import { findTeams, requireTeam, type Team } from './team.ts';
import { findWorkspaces, requireWorkspace, type Workspace } from './workspace.ts';

/** What owns keys, models, members and an audit log, as one of its members sees it. */
export type Owner = Workspace | Team;

/** Those of the given owners that the viewer is a member of. */
export async function findOwners(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Owner[]> {
  const distinct = [...new Set(ids)];
  const [workspaces, teams] = await Promise.all([
    distinct.some((id) => prefixOf(id) === 'wsp') ? findWorkspaces(deps, viewer, distinct) : [],
    distinct.some((id) => prefixOf(id) === 'tem') ? findTeams(deps, viewer, distinct) : [],
  ]);
  return [...workspaces, ...teams];
}

/**
 * The workspace or the team that an input names, if the viewer is a member whose role allows the action. Throws
 * InvalidInputError unless exactly one of the two is named, NotFoundError or NotPermittedError.
 */
export async function requireOwner(
  deps: { db: Database },
  viewer: Viewer,
  { workspaceId, teamId }: OwnerInput,
  action: Action,
): Promise<Owner> {
  if (workspaceId != null && teamId == null) return await requireWorkspace(deps, viewer, workspaceId, action);
  if (teamId != null && workspaceId == null) return await requireTeam(deps, viewer, teamId, action);
  throw new InvalidInputError([
    { path: 'workspaceId', message: 'Give either `workspaceId` or `teamId`, not both and not neither.' },
  ]);
}

/** How an input names an owner. */
export interface OwnerInput {
  workspaceId?: string | null | undefined;
  teamId?: string | null | undefined;
}

/** The owner's id in the column that is for its kind. */
export function ownerColumns(ownerId: string): { workspaceId: string | null; teamId: string | null } {
  return prefixOf(ownerId) === 'tem'
    ? { workspaceId: null, teamId: ownerId }
    : { workspaceId: ownerId, teamId: null };
}

/** Whose a key of this owner is. */
export function keyScopeOf(owner: Owner): 'PERSONAL' | 'WORKSPACE' | 'TEAM' {
  if (owner.type === 'team') return 'TEAM';
  return owner.kind === 'PERSONAL' ? 'PERSONAL' : 'WORKSPACE';
}
