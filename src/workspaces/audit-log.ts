import type { Viewer } from '../accounts/session.ts';
import { type AuditEntry, type AuditFilter, findAuditEntries, listAuditEntries } from '../audit/entry.ts';
import type { Database } from '../db/database.ts';
import { readAuditEntryId } from '../db/id.ts';
import type { Page, PageInput } from '../db/page.ts';
import { mayDo } from './permissions.ts';
import { findTenants, type Tenant } from './tenant.ts';

/** The audit log of a workspace or team, newest entry first; null for members who may not read it. */
export async function listAuditLog(
  deps: { db: Pick<Database, 'select'> },
  tenant: Tenant,
  page: PageInput,
  filter: AuditFilter,
): Promise<Page<AuditEntry> | null> {
  if (!mayDo(tenant.viewerRole, 'readAuditLog')) return null;
  return await listAuditEntries(deps, tenant.id, page, filter);
}

/** The entries with these ids in audit logs that the viewer may read. */
export async function findReadableAuditEntries(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<AuditEntry[]> {
  const tenantIds = ids.map((id) => readAuditEntryId(id)?.tenantId).filter((id) => id !== undefined);
  const tenants = await findTenants(deps, viewer, tenantIds);
  const readable = tenants.filter(({ viewerRole }) => mayDo(viewerRole, 'readAuditLog')).map(({ id }) => id);
  return await findAuditEntries(
    deps,
    ids.filter((id) => readable.includes(readAuditEntryId(id)?.tenantId ?? '')),
  );
}
