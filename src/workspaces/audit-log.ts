import { type AuditEntry, listAuditEntries } from '../audit/entry.ts';
import type { Database } from '../db/database.ts';
import type { Page, PageInput } from '../db/page.ts';
import { mayDo } from './permissions.ts';
import type { Tenant } from './tenant.ts';

/** The audit log of a workspace or team, newest entry first; null for members who may not read it. */
export async function listAuditLog(
  deps: { db: Pick<Database, 'select'> },
  tenant: Tenant,
  page: PageInput,
): Promise<Page<AuditEntry> | null> {
  return mayDo(tenant.viewerRole, 'readAuditLog') ? await listAuditEntries(deps, tenant.id, page) : null;
}
