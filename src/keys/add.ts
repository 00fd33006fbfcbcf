import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { newId } from '../db/id.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { saveKeyModels } from '../models/save-models.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { ProviderName } from '../providers/provider.ts';
import { requirePlanForKeys } from '../workspaces/plan.ts';
import {
  lockAndAuthorizeTenant,
  requireTenant,
  type Tenant,
  type TenantInput,
  tenantColumns,
} from '../workspaces/tenant.ts';
import { type ApiKey, checkLabel, type KeyDeps, requireApiKey } from './api-key.ts';
import { nextPosition, requireRoomForKey } from './order.ts';
import { firstHealthColumns } from './record-outcome.ts';
import {
  checkKeyBaseUrl,
  checkSubmittedSecret,
  type SecretInput,
  sealedColumns,
  useBox,
} from './submitted-secret.ts';

/**
 * Adds a provider key: checks it with its provider, lists its models, seals it and stores all of that in one transaction. A key
 * that the provider refuses is not stored; one whose provider cannot be reached is stored UNVERIFIED.
 */
export async function addApiKey(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput &
    TenantInput & {
      provider: ProviderName;
      label?: string | null | undefined;
      baseUrl?: string | null | undefined;
      expiresAt?: Date | null | undefined;
    },
): Promise<AddedApiKey> {
  const provider = deps.providers[input.provider];
  const label = checkLabel(input.label ?? provider.title);
  const baseUrl = checkKeyBaseUrl(provider, input.baseUrl ?? null, deps.allowedPrivateHosts);
  const tenant = await requireTenant(deps, viewer, input, 'manageKeys');
  requirePlanForKeys(tenant.plan, tenant.type);

  const key = { id: newId('key'), tenantId: tenant.id, provider: provider.name, baseUrl };
  const { credentials, box, result } = await checkSubmittedSecret(
    deps,
    viewer,
    input,
    key,
    input.baseUrl ?? null,
  );

  await deps.db.transaction(async (tx) => {
    // The check took seconds: the viewer may have lost the role meanwhile.
    await lockAndAuthorizeTenant(tx, viewer, input, 'manageKeys');
    await requireRoomForKey(tx, tenant);
    await useBox(tx, tenant.id, box);
    await tx.insert(apiKeys).values({
      id: key.id,
      ...tenantColumns(tenant.id),
      provider: key.provider,
      baseUrl,
      label,
      position: await nextPosition(tx, key),
      ...(await sealedColumns(tx, deps.rootKeys[0], key, 1, credentials)),
      ...firstHealthColumns(key.provider, result),
      expiresAt: input.expiresAt ?? null,
      createdBy: viewer.id,
    });
    if (result.models !== null) await saveKeyModels(tx, key, result.models);
    await recordAudit(tx, deps, tenant.id, {
      action: 'KEY_ADDED',
      actorId: viewer.id,
      subjectId: key.id,
      details: { provider: key.provider, label },
    });
  });
  deps.changes.announce(tenant.id, [key.id]);
  return {
    apiKey: await requireApiKey(deps, viewer, key.id),
    tenant,
    models: await modelsOfKey(deps, key.id),
    warning: hintForeignKey(provider.name, credentials.secret),
  };
}

export interface AddedApiKey {
  apiKey: ApiKey;
  /** The workspace or team that owns it. */
  tenant: Tenant;
  models: Model[];
  /** Set when the key looks like another provider's. */
  warning: string | null;
}
