import type { Viewer } from '../accounts/session.ts';
import type { Transaction } from '../audit/record-audit.ts';
import type { Database } from '../db/database.ts';
import { prefixOf } from '../db/id.ts';
import { lockTenantForUpdate } from '../db/lock-order.ts';
import { InvalidInputError } from '../errors.ts';
import { sanitizeLine } from '../sanitize-line.ts';
import type { Action } from './permissions.ts';
import { findTeams, requireTeam, type Team } from './team.ts';
import { findWorkspaces, requireWorkspace, type Workspace } from './workspace.ts';

/** What owns keys, models, members and an audit log, as one of its members sees it. */
export type Tenant = Workspace | Team;

/** The given tenants that the viewer is a member of. */
export async function findTenants(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Tenant[]> {
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
export async function requireTenant(
  deps: { db: Database },
  viewer: Viewer,
  { workspaceId, teamId }: TenantInput,
  action: Action,
): Promise<Tenant> {
  if (workspaceId != null && teamId == null) return await requireWorkspace(deps, viewer, workspaceId, action);
  if (teamId != null && workspaceId == null) return await requireTeam(deps, viewer, teamId, action);
  throw new InvalidInputError(
    'workspaceId',
    'Give either `workspaceId` or `teamId`, not both and not neither.',
  );
}

/** A tenant as an input names it. */
export interface TenantInput {
  workspaceId?: string | null | undefined;
  teamId?: string | null | undefined;
}

/** The tenant's id in the column for its kind. */
export function tenantColumns(tenantId: string): { workspaceId: string | null; teamId: string | null } {
  return prefixOf(tenantId) === 'tem'
    ? { workspaceId: null, teamId: tenantId }
    : { workspaceId: tenantId, teamId: null };
}

/** The scope of the keys of this tenant. */
export function keyScopeOf(tenant: Tenant): 'PERSONAL' | 'WORKSPACE' | 'TEAM' {
  if (tenant.type === 'team') return 'TEAM';
  return tenant.kind === 'PERSONAL' ? 'PERSONAL' : 'WORKSPACE';
}

/**
 * The workspace or team that an input names, as `requireTenant` returns it, locked until the transaction ends: its members,
 * name and owner do not change meanwhile. The viewer's role is read under the lock, so of two members who remove each other
 * at once only the first succeeds.
 */
export function lockAndAuthorizeTenant(
  tx: Transaction,
  viewer: Viewer,
  input: TenantInput,
  action: Action,
): Promise<Tenant> {
  return lockAndAuthorize(tx, () => requireTenant({ db: tx }, viewer, input, action));
}

/** The workspace as `requireWorkspace` returns it, locked likewise. */
export function lockAndAuthorizeWorkspace(
  tx: Transaction,
  viewer: Viewer,
  workspaceId: string,
  action: Action,
): Promise<Workspace> {
  return lockAndAuthorize(tx, () => requireWorkspace({ db: tx }, viewer, workspaceId, action));
}

/** The team as `requireTeam` returns it, locked likewise. */
export function lockAndAuthorizeTeam(
  tx: Transaction,
  viewer: Viewer,
  teamId: string,
  action: Action,
): Promise<Team> {
  return lockAndAuthorize(tx, () => requireTeam({ db: tx }, viewer, teamId, action));
}

async function lockAndAuthorize<Locked extends Tenant>(
  tx: Transaction,
  require: () => Promise<Locked>,
): Promise<Locked> {
  // Authorised before the lock too, so that a non-member cannot hold it while members wait.
  const { id } = await require();
  await lockTenantForUpdate(tx, id);
  return await require();
}

/** The sanitized name of a workspace or a team. Throws InvalidInputError. */
export function checkName(text: string): string {
  const name = sanitizeLine(text);
  if (name.length >= 1 && name.length <= MAX_NAME_LENGTH) return name;
  throw new InvalidInputError('name', `A name has between 1 and ${MAX_NAME_LENGTH} characters.`);
}

const MAX_NAME_LENGTH = 100;
