import { NotFoundError } from '../errors.ts';
import type { Tenant as TenantShape } from '../workspaces/tenant.ts';
import { builder } from './builder.ts';
import type { Loaders } from './context.ts';
import { Team } from './team.ts';
import { Workspace } from './workspace.ts';

/** What keys, models, members and invitations belong to. */
export const Tenant = builder.unionType('Tenant', {
  description:
    'The workspace or team that something belongs to. May grow: show what is unknown without its place.',
  types: () => [Workspace, Team],
  resolveType: (tenant: TenantShape) => (tenant.type === 'team' ? 'Team' : 'Workspace'),
});

/** The tenant of an object that the viewer could read as a member. Throws NotFoundError if the membership has ended since. */
export async function loadTenant(
  { tenantId }: { tenantId: string },
  loaders: Pick<Loaders, 'tenants'>,
): Promise<TenantShape> {
  const tenant = await loaders.tenants.load(tenantId);
  if (tenant === null) throw new NotFoundError('workspace or team');
  return tenant;
}
