import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import { requirePlanForKeys } from '../workspaces/plan.ts';
import { requireTenant } from '../workspaces/tenant.ts';
import { type ApiKey, changeApiKey, type KeyDeps, requireApiKey } from './api-key.ts';
import { firstHealthColumns } from './record-outcome.ts';
import { saveList } from './save-list.ts';
import {
  checkKeyBaseUrl,
  checkSubmittedSecret,
  type SecretInput,
  sealedColumns,
  useBox,
} from './submitted-secret.ts';

/**
 * Replaces the secret of a key and its headers, which keeps its id and label: headers that are not sealed with the new secret are
 * dropped. For a CUSTOM key the base URL may change with the secret, never without it: a stored secret is sent only to the base
 * URL it was checked with.
 */
export async function replaceApiKeySecret(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput & { id: string; baseUrl?: string | null | undefined },
): Promise<ApiKey> {
  const apiKey = await requireApiKey(deps, viewer, input.id);
  const provider = deps.providers[apiKey.provider];
  const baseUrl =
    input.baseUrl == null
      ? apiKey.baseUrl
      : checkKeyBaseUrl(provider, input.baseUrl, deps.allowedPrivateHosts);
  const tenant = await requireTenant(deps, viewer, apiKey, 'manageKeys');
  requirePlanForKeys(tenant.plan, tenant.type);

  const key = { id: apiKey.id, tenantId: tenant.id, provider: provider.name, baseUrl };
  const submittedBaseUrl = provider.baseUrl === null ? (input.baseUrl ?? apiKey.baseUrl) : null;
  const { credentials, box, result } = await checkSubmittedSecret(deps, viewer, input, key, submittedBaseUrl);

  return await changeApiKey(deps, viewer, key.id, async (tx, before) => {
    await useBox(tx, tenant.id, box);
    const [stored] = await tx
      .select({ version: apiKeys.version })
      .from(apiKeys)
      .where(eq(apiKeys.id, key.id));
    if (stored === undefined) throw new NotFoundError('API key');
    await tx
      .update(apiKeys)
      .set({
        baseUrl,
        needsReentry: false,
        ...(await sealedColumns(tx, deps.rootKeys[0], key, stored.version + 1, credentials)),
        ...firstHealthColumns(provider.name, result),
      })
      .where(eq(apiKeys.id, key.id));
    // Models that another base URL listed are not offered at this one.
    const models = result.models ?? (baseUrl === before.baseUrl ? null : []);
    if (models !== null) await saveList(tx, deps, { ...before, ...key }, models, viewer.id);
    await recordAudit(tx, deps, tenant.id, {
      action: 'KEY_REPLACED',
      actorId: viewer.id,
      subjectId: key.id,
      details: { provider: provider.name, label: before.label },
    });
    return await requireApiKey({ ...deps, db: tx }, viewer, key.id);
  });
}
